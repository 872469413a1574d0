"""Measures an interruption: from the decision to the last packet of speech that still left."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from aywa.codecs import g711
from aywa.providers.catalog import ProviderCatalog
from tests.peers import call_records as records
from tests.peers.places import wait_until
from tests.peers.raw_caller import QUIET, RawCaller
from tests.peers.runtime_process import RuntimeProcess

WINDOW_S = 1.0
"""Around the decision; it ends earlier where the next reply begins."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """One interrupted reply. Times in milliseconds."""

    tail_ms: float
    """From the decision to the last packet of speech; negative when that left before."""
    first_sound_to_silence_ms: float
    """From the caller's first packet of the word to the last packet of speech."""


def spoken(*lines: str) -> list[list[bytes]]:
    """Each line by the offline voice, as µ-law frames."""
    return asyncio.run(_spoken(lines))


async def _spoken(lines: tuple[str, ...]) -> list[list[bytes]]:
    catalog = ProviderCatalog(stt_enabled=False, tts_enabled=True)
    await catalog.start()
    try:
        tts = catalog.providers({}).tts
        assert tts is not None
        found = []
        for line in lines:
            pcm = np.concatenate([chunk.pcm async for chunk in tts.speak(line)])
            found.append(list(_frames(g711.encode(pcm, "pcmu").tobytes())))
        return found
    finally:
        await catalog.close()


def _frames(law: bytes) -> Iterator[bytes]:
    for begin in range(0, len(law), len(QUIET)):
        yield law[begin : begin + len(QUIET)].ljust(len(QUIET), b"\xff")


def interrupt_often(
    runtime: RuntimeProcess, decision: str, times: int, at_once: int
) -> list[Interruption]:
    """Call `times` times, `at_once` in parallel, and interrupt the story each time.

    `decision` is the timeline item that tells when the runtime decided.
    """
    ask, word = spoken("tell me a story", "stop")
    with ThreadPoolExecutor(at_once) as pool:
        # The moment of the interruption moves through the 20 ms between two packets.
        jobs = [
            pool.submit(_interrupt, runtime, decision, ask, word, 1.0 + 0.0037 * number)
            for number in range(times)
        ]
        return [job.result() for job in jobs]


def _interrupt(
    runtime: RuntimeProcess, decision: str, ask: list[bytes], word: list[bytes], after_s: float
) -> Interruption:
    with RawCaller(runtime.sip_address) as caller:
        call_id = caller.call().header("X-Call-Id") or ""
        records.wait_item(runtime, call_id, "peer-locked")
        caller.voice.say(ask)
        wait_until(lambda: _speaks(caller), "the story")
        time.sleep(after_s)
        began = time.time()
        caller.voice.say(word)
        records.wait_item(runtime, call_id, "interrupted")
        decided = records.data_of(records.timeline(runtime, call_id), decision)[0]["at"]
        at = decided + time.time() - time.monotonic()
        wait_until(lambda: caller.voice.received[-1][0] > at + WINDOW_S, "what followed")
        until = at + _before_the_next_reply(runtime, call_id, decided)
        caller.ask("BYE")
        speech = [
            when
            for when, payload in caller.voice.received
            if at - WINDOW_S < when < until and payload != QUIET
        ]
    return Interruption((speech[-1] - at) * 1_000, (speech[-1] - began) * 1_000)


def _before_the_next_reply(runtime: RuntimeProcess, call_id: str, decided: float) -> float:
    """How long after the decision the assistant had nothing to say, seconds."""
    updates = records.data_of(records.timeline(runtime, call_id), "speech-update")
    begins = [
        one["at"] - decided - 0.010
        for one in updates
        if (one["role"], one["status"]) == ("assistant", "started") and one["at"] > decided
    ]
    return min([WINDOW_S, *begins])


def _speaks(caller: RawCaller) -> bool:
    return any(payload != QUIET for _, payload in caller.voice.received[-5:])
