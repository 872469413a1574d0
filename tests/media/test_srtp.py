"""Secured streams: two engines' worth of packets, and what happens to forged ones."""

import numpy as np
import pytest
from pylibsrtp import Policy, Session

from aywa.media import plane
from aywa.media.sdp.crypto import KEY_OCTETS, Suite
from aywa.media.srtp import PROFILES

from .conftest import PEER, Bench, Caller, noise


def keys(suite: Suite, ours: int = 1, theirs: int = 2) -> tuple[str, bytes, bytes]:
    size = KEY_OCTETS[suite]
    return suite, bytes([ours]) * size, bytes([theirs]) * size


def peer(suite: Suite, key: int, direction: int) -> Session:
    material = bytes([key]) * KEY_OCTETS[suite]
    return Session(Policy(key=material, ssrc_type=direction, srtp_profile=PROFILES[suite]))


SUITES: list[Suite] = list(KEY_OCTETS)


@pytest.mark.parametrize("suite", SUITES)
def test_audio_goes_both_ways_and_the_capture_is_plain(bench: Bench, suite: Suite) -> None:
    caller = bench.open(files=True, srtp=keys(suite))
    seal = peer(suite, 2, Policy.SSRC_ANY_OUTBOUND)
    unseal = peer(suite, 1, Policy.SSRC_ANY_INBOUND)
    sound = noise(160 * 20)
    bench.command(plane.Play("a", 1, sound))
    sent = []
    for number in range(20):
        packet = caller.audio(sound[160 * number : 160 * (number + 1)])
        bench.tick((caller, seal.protect(packet)))
        sent.append(packet)
    assert bench.real().count(True) >= 15
    plain = [unseal.unprotect(data) for data in bench.sent["a"]]
    assert len(plain) >= 18
    assert all(len(packet) == 172 for packet in plain)
    report = bench.close().report
    assert report.unauthentic == 0
    captured = bench.files["a", "pcap"]
    assert all(packet in captured for packet in (*sent, *plain))


@pytest.mark.parametrize("size", [0, 1, 11, 1_500, 1_536, 2_000])
def test_a_packet_of_any_length_is_no_more_than_turned_away(bench: Bench, size: int) -> None:
    caller = bench.open(srtp=keys("AES_CM_128_HMAC_SHA1_80"))
    packet = caller.audio(noise(160))
    bench.tick((caller, (packet * 20)[:size]))
    bench.ticks(2)
    report = bench.close().report
    assert report.packets_received == 0
    assert report.unauthentic == 1


def test_forged_replayed_and_plain_packets_are_dropped_and_counted(bench: Bench) -> None:
    suite: Suite = "AES_CM_128_HMAC_SHA1_80"
    caller = bench.open(srtp=keys(suite))
    seal = peer(suite, 2, Policy.SSRC_ANY_OUTBOUND)
    good = seal.protect(caller.audio(noise(160)))
    bench.tick((caller, good))
    tampered = bytearray(seal.protect(caller.audio(noise(160))))
    tampered[20] ^= 1
    bench.tick((caller, good), (caller, bytes(tampered)), (caller, caller.audio(noise(160))))
    bench.ticks(3)
    report = bench.close().report
    assert (report.packets_received, report.unauthentic) == (1, 3)


def test_the_same_keys_go_on_and_a_new_key_of_the_peer_is_taken(bench: Bench) -> None:
    suite: Suite = "AES_CM_128_HMAC_SHA1_80"
    caller = bench.open(srtp=keys(suite))
    unseal = peer(suite, 1, Policy.SSRC_ANY_INBOUND)
    seal = peer(suite, 2, Policy.SSRC_ANY_OUTBOUND)
    bench.tick((caller, seal.protect(caller.audio(noise(160)))))
    bench.configure("a", srtp=keys(suite))
    bench.tick((caller, seal.protect(caller.audio(noise(160)))))
    bench.configure("a", srtp=keys(suite, theirs=3))
    renewed = peer(suite, 3, Policy.SSRC_ANY_OUTBOUND)
    bench.tick((caller, renewed.protect(caller.audio(noise(160)))))
    bench.ticks(5)
    for data in bench.sent["a"]:
        unseal.unprotect(data)  # one key, one context, from the first packet to the last
    assert bench.close().report.packets_received == 3


def test_a_row_that_is_used_again_is_plain(bench: Bench) -> None:
    bench.open(srtp=keys("AEAD_AES_128_GCM"))
    bench.close()
    caller = bench.open("b")
    for _ in range(5):
        bench.tick((Caller("b", PEER), caller.audio(noise(160))))
    assert bench.close("b").report.packets_received == 5
    assert np.all(bench.engine._srtp.rejected == 0)
