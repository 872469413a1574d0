"""DTLS handshakes that agree on SRTP keys (RFC 5764), beside the packets they will protect.

A stream that is to be secured so waits: until both certificates are proved, nothing of it is sent
or heard. A handshake is with one address: that of the session description, or, as a peer behind a
NAT is elsewhere, the first that begins one; the former takes it over at any time, so that no
stranger keeps the peer out. Handshake packets stand out by their first octet (RFC 7983). OpenSSL
repeats lost flights by its own clock; only the deadline is ours.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from numpy.typing import NDArray
from OpenSSL import SSL

from . import plane
from .datagrams import DATAGRAM_WIDTH, NO_ADDRESS, Datagrams, Received
from .srtp import Keys, Srtp
from .streams import Columns, column

HANDSHAKE_S = 10.0
RETRY_S = 1.0
"""A handshake that somebody spoiled begins anew, not more often than that."""
MTU = 1_200
PER_TICK = 8
"""Handshake packets of one stream that are looked at in one tick."""
EARLY = 4
"""Kept of a stream whose offer is not answered yet: the peer's first flight may be faster."""

_EXPORTER = b"EXTRACTOR-dtls_srtp"
_PROFILES = {
    "SRTP_AEAD_AES_256_GCM": ("AEAD_AES_256_GCM", 32, 12),
    "SRTP_AEAD_AES_128_GCM": ("AEAD_AES_128_GCM", 16, 12),
    "SRTP_AES128_CM_SHA1_80": ("AES_CM_128_HMAC_SHA1_80", 16, 14),
    "SRTP_AES128_CM_SHA1_32": ("AES_CM_128_HMAC_SHA1_32", 16, 14),
}
"""By OpenSSL name, in our order: suite (RFC 4568 name), octets of key and salt."""
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES"
_DTLS_1_2 = 0xFEFD
_FUNCTIONS: dict[str, hashes.HashAlgorithm] = {
    "sha-256": hashes.SHA256(),
    "sha-384": hashes.SHA384(),
    "sha-512": hashes.SHA512(),
}
_RECORD_HEAD = 13


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the engine shows to every peer: who it is, is told by its fingerprint in SDP."""

    context: SSL.Context = field(repr=False)
    fingerprint: tuple[str, bytes]
    """Hash function (RFC 8122 name) and digest."""

    @classmethod
    def fresh(cls, wall: float) -> Self:
        """A new key and a certificate signed with it; `wall` is epoch seconds."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "aywa")])
        today = datetime.fromtimestamp(wall, UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - timedelta(days=1))
            .not_valid_after(today + timedelta(days=3650))
            .sign(key, hashes.SHA256())
        )
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_min_proto_version(_DTLS_1_2)
        context.set_cipher_list(_CIPHERS)
        # No authority vouches for either side: the fingerprint does, once the handshake is through.
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        context.set_tlsext_use_srtp(":".join(_PROFILES).encode())
        context.use_certificate(certificate)
        context.use_privatekey(key)
        return cls(context, ("sha-256", certificate.fingerprint(hashes.SHA256())))


class DtlsFailed(Exception):
    """The handshake came to nothing; the message says why."""


class Handshake:
    """One DTLS handshake. Datagrams go in by `take`, come out of `flight`."""

    def __init__(self, certificate: Certificate, wish: plane.Dtls) -> None:
        self._active, _, self._fingerprints = wish
        self._connection = SSL.Connection(certificate.context)
        self._connection.set_options(SSL.OP_NO_QUERY_MTU)
        self._connection.set_ciphertext_mtu(MTU)
        if self._active:
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()
        self._over = False

    def take(self, datagram: bytes = b"") -> Keys | None:
        """Go on, with a datagram of the peer's if there is one; gives the keys when they are due.

        Raises DtlsFailed.
        """
        try:
            if datagram:
                self._connection.bio_write(datagram)
            if self._over:  # the peer repeats itself: OpenSSL answers with our last flight
                self._connection.recv(DATAGRAM_WIDTH)
                return None
            self._connection.do_handshake()
        except (SSL.WantReadError, SSL.ZeroReturnError):
            return None
        except SSL.Error as error:
            if self._over:
                return None
            raise DtlsFailed(_said(error)) from error
        self._over = True
        return self._keys()

    def repeat(self) -> None:
        """Repeat the last flight if OpenSSL's timer says that it was lost."""
        if not self._over:
            self._connection.DTLSv1_handle_timeout()

    def flight(self) -> list[bytes]:
        """The datagrams that are to be sent now."""
        try:
            octets = self._connection.bio_read(1 << 16)
        except SSL.WantReadError:
            return []
        return _packed(octets)

    def _keys(self) -> Keys:
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        shown = certificate and any(
            certificate.fingerprint(_FUNCTIONS[function]) == digest
            for function, digest in self._fingerprints
            if function in _FUNCTIONS
        )
        if not shown:
            raise DtlsFailed("the peer's certificate is not that of its session description")
        profile = _PROFILES.get(self._connection.get_selected_srtp_profile().decode())
        if profile is None:
            raise DtlsFailed("the peer takes none of our SRTP profiles")
        suite, key, salt = profile
        material = self._connection.export_keying_material(_EXPORTER, 2 * (key + salt), None)
        client = material[:key] + material[2 * key : 2 * key + salt]
        server = material[key : 2 * key] + material[2 * key + salt :]
        return (suite, client, server) if self._active else (suite, server, client)


@dataclass(slots=True)
class _Association:
    """The handshake of one row, and where its packets go."""

    wish: plane.Dtls
    handshake: Handshake
    begun: float
    until: float
    described: int
    """The peer's address by its session description."""
    towards: int
    """Where its packets go to and come from."""
    heard: bool = False
    """Something came from there."""
    spoiled: bool = False
    """This handshake went wrong; another one may come to something."""
    trouble: str = "the peer did not answer"


class Dtls(Columns):
    """The handshakes of one engine."""

    awaiting: NDArray[np.bool_] = column(np.bool_)
    """To be secured, and not to be used before."""

    def __init__(self, certificate: Certificate, srtp: Srtp) -> None:
        super().__init__()
        self._certificate = certificate
        self._srtp = srtp
        self._associations: dict[int, _Association] = {}
        self._early: dict[int, list[tuple[bytes, int]]] = {}
        self._stirred: set[int] = set()
        """Rows whose handshake may have something to send."""
        self._secured: list[tuple[int, str]] = []
        """Rows that got their keys since the last tick, with the suite."""

    def configure(self, row: int, command: plane.ConfigureStream, remote: int, now: float) -> None:
        """Begin, go on or leave off, as an offer/answer has it; `remote` is the peer's address."""
        early = self._early.pop(row, [])
        known = self._associations.get(row)
        if command.dtls is None:
            self.close(row)
            self._srtp.configure(row, command.srtp)
        elif known is None or known.wish != command.dtls:
            self._srtp.configure(row, None)
            self.awaiting[row] = True
            handshake = Handshake(self._certificate, command.dtls)
            self._associations[row] = _Association(
                command.dtls, handshake, now, now + HANDSHAKE_S, remote, remote
            )
            for datagram, source in early:
                self._arrived(row, datagram, source, now)

    def close(self, row: int) -> None:
        """The stream is gone, or secured otherwise."""
        self._associations.pop(row, None)
        self._early.pop(row, None)
        self._stirred.discard(row)
        self.awaiting[row] = False

    def taken(self, received: Received, configured: NDArray[np.bool_], now: float) -> Received:
        """The batch without handshake packets, and without what came before there are keys.

        `configured` tells by row whether offer and answer are through.
        """
        if not len(received):
            return received
        first = received.data[:, 0]
        ours = (first >= 20) & (first <= 63) & ~received.control
        if not (ours.any() or self.awaiting[received.row].any()):
            return received
        seen: dict[int, int] = {}
        for index in np.flatnonzero(ours).tolist():
            row = int(received.row[index])
            seen[row] = seen.get(row, 0) + 1
            if row not in self._associations and configured[row]:
                ours[index] = False  # a plain stream: whatever it is, it is no handshake
            elif seen[row] <= PER_TICK:
                data = received.data[index, : received.length[index]].tobytes()
                self._arrived(row, data, int(received.source[index]), now)
        return received.select(np.flatnonzero(~(ours | self.awaiting[received.row])))

    def tick(self, names: list[str], now: float) -> tuple[list[Datagrams], list[plane.Event]]:
        """The packets of the handshakes under way, and what became of them; `names` by row."""
        events: list[plane.Event] = []
        for row in np.flatnonzero(self.awaiting).tolist():
            one = self._associations[row]
            if self._late(row, one, now):
                events.append(plane.KeysFailed(names[row], now, one.trouble))
            self._stirred.add(row)
        events += [plane.Secured(names[row], now, suite) for row, suite in self._secured]
        self._secured.clear()
        flights = [(row, self._associations[row]) for row in sorted(self._stirred)]
        self._stirred.clear()
        return [
            _batch(row, one.towards, flight)
            for row, one in flights
            if one.towards != NO_ADDRESS and (flight := one.handshake.flight())
        ], events

    def _late(self, row: int, one: _Association, now: float) -> bool:
        """Drive a handshake on; True once, when its time is over."""
        if one.spoiled and now >= one.begun + RETRY_S:
            self._begin_anew(one, now)
        if not one.spoiled:
            one.handshake.repeat()
            self._take(row, one, b"")
        late = now >= one.until
        if late:
            one.until = np.inf
        return late

    def _begin_anew(self, one: _Association, now: float) -> None:
        one.handshake = Handshake(self._certificate, one.wish)
        one.begun, one.spoiled, one.heard = now, False, False

    def _arrived(self, row: int, datagram: bytes, source: int, now: float) -> None:
        one = self._associations.get(row)
        if one is None:
            kept = self._early.setdefault(row, [])
            if len(kept) < EARLY:
                kept.append((datagram, source))
            return
        if self.awaiting[row] and not self._is_with(one, source, now):
            return
        self._take(row, one, datagram)
        self._stirred.add(row)

    def _is_with(self, one: _Association, source: int, now: float) -> bool:
        """Whether a handshake that is not through is with this address, if need be from now on."""
        if source != one.towards:
            described = source >> 16 == one.described >> 16
            if one.wish[0] and not described:
                return False  # what answers our ClientHello comes from where we sent it
            if one.heard:
                if not described and now < one.begun + RETRY_S:
                    return False
                self._begin_anew(one, now)
            one.towards = source
        one.heard = True
        return True

    def _take(self, row: int, one: _Association, datagram: bytes) -> None:
        if one.spoiled:
            return
        try:
            keys = one.handshake.take(datagram)
        except DtlsFailed as failure:
            one.spoiled, one.trouble = True, str(failure)
            return
        if keys:
            self._srtp.configure(row, keys)
            self.awaiting[row] = False
            self._secured.append((row, keys[0]))


def _packed(octets: bytes) -> list[bytes]:
    """A flight as datagrams: whole records, as many as fit (RFC 6347 §4.1.1)."""
    datagrams: list[bytes] = []
    while octets:
        end = _RECORD_HEAD + int.from_bytes(octets[11:_RECORD_HEAD], "big")
        record, octets = octets[:end], octets[end:]
        if datagrams and len(datagrams[-1]) + len(record) <= MTU:
            datagrams[-1] += record
        else:
            datagrams.append(record)
    return datagrams


def _batch(row: int, towards: int, flight: list[bytes]) -> Datagrams:
    data = np.zeros((len(flight), DATAGRAM_WIDTH), np.uint8)
    for place, datagram in enumerate(flight):
        data[place, : len(datagram)] = np.frombuffer(datagram, np.uint8)
    length = np.array([len(datagram) for datagram in flight])
    rows = np.full(len(flight), row)
    return Datagrams(data, length, rows, np.full(len(flight), towards), control=False)


def _said(error: SSL.Error) -> str:
    """OpenSSL's reason, without its numbers."""
    reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return next((str(one[-1]) for one in reasons if one and one[-1]), "it was broken off")
