"""The worker processes behind the protocol."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from aywa.providers.offline.recogniser import available
from aywa.providers.offline.stt import MAX_LOST, OfflineSpeechToText, Recognition, RecognitionStream
from aywa.providers.offline.wire import Frame, Kind
from aywa.providers.offline.workers import MAX_WAITING, Channel, RecognitionSettings
from aywa.providers.protocols import ProviderError, SttStream, Transcript

from .conftest import OnTheLine, Sentences


@pytest.fixture
async def recognition(sentences: Sentences) -> AsyncIterator[Recognition]:
    if not available():
        pytest.skip("needs pocketsphinx")
    found = Recognition(RecognitionSettings(end_silence_s=0.4))
    await found.start(sentences.phrases)
    yield found
    await found.close()


async def until_final(stream: SttStream) -> Transcript:
    async for transcript in stream:
        if transcript.final:
            return transcript
    raise AssertionError("the stream ended without a final transcript")


async def test_a_call_is_heard_and_finalize_always_answers(
    recognition: Recognition, sentences: Sentences, on_the_line: OnTheLine
) -> None:
    stt = OfflineSpeechToText(recognition, sentences.phrases)
    async with stt.open() as stream:
        stream.send(on_the_line("where are you located")[:-2_400])
        stream.finalize()
        final = await asyncio.wait_for(until_final(stream), 10)
        assert (final.text, final.from_finalize) == ("where are you located", True)
        assert final.confidence > 0.5
        stream.finalize()
        empty = await asyncio.wait_for(until_final(stream), 10)
        assert (empty.text, empty.from_finalize) == ("", True)
        stream.send(on_the_line("thank you goodbye"))
        stream.send(np.zeros(4_000, np.int16))
        final = await asyncio.wait_for(until_final(stream), 10)
        assert (final.text, final.from_finalize) == ("thank you goodbye", False)
    assert recognition.workers[0].load == 0
    assert [transcript async for transcript in stream] == []


async def test_two_calls_with_their_own_vocabularies_share_a_worker(
    recognition: Recognition, sentences: Sentences, on_the_line: OnTheLine
) -> None:
    one = OfflineSpeechToText(recognition, sentences.phrases)
    two = OfflineSpeechToText(recognition, ["good morning", "good night"])
    async with one.open() as first, two.open() as second:
        assert recognition.workers[0].load == 2
        first.send(on_the_line("no thanks"))
        second.send(on_the_line("good morning"))
        first.finalize()
        second.finalize()
        finals = await asyncio.gather(until_final(first), until_final(second))
    assert [final.text for final in finals] == ["no thanks", "good morning"]


async def test_a_dead_worker_fails_its_streams_and_is_started_again(
    recognition: Recognition, sentences: Sentences, on_the_line: OnTheLine
) -> None:
    stt = OfflineSpeechToText(recognition, sentences.phrases)
    worker = recognition.workers[0]
    async with stt.open() as stream:
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(ProviderError) as caught:
            await asyncio.wait_for(until_final(stream), 10)
        assert caught.value.kind == "close_early"
    with pytest.raises(ProviderError, match="no recognition worker"):
        async with stt.open():
            pass
    await asyncio.wait_for(worker.until_ready(), 10)
    async with stt.open() as stream:
        stream.send(on_the_line("no thanks"))
        stream.finalize()
        assert (await asyncio.wait_for(until_final(stream), 10)).text == "no thanks"
    assert worker.restarts == 1


async def test_nothing_is_left_after_the_end(sentences: Sentences) -> None:
    if not available():
        pytest.skip("needs pocketsphinx")
    recognition = Recognition(RecognitionSettings())
    folder = (await recognition.start(sentences.phrases)).parent
    pid = recognition.workers[0].pid
    await recognition.close()
    assert not folder.exists()
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert len(asyncio.all_tasks()) == 1
    with pytest.raises(ProviderError, match="not started"):
        await recognition.prepare(["hello"])


def test_the_oldest_audio_gives_way_and_is_counted() -> None:
    channel = Channel(Path(), lambda _: None, lambda: None)
    channel.push(Frame(Kind.OPEN, 1))
    for second in range(6):
        channel.push(Frame(Kind.AUDIO, 1, bytes(16_000), second * 8_000))
    channel.push(Frame(Kind.FINALIZE, 1))
    assert channel.waiting_samples == MAX_WAITING == 32_000
    channel.push(Frame(Kind.AUDIO, 1, bytes(32_000), 48_000))
    assert channel.dropped_samples > 0
    kinds = [frame.kind for frame in channel.waiting]
    assert kinds[0] is Kind.OPEN
    assert Kind.FINALIZE in kinds
    assert channel.waiting_samples <= MAX_WAITING
    assert channel.waiting[-1].position == 48_000


class BusyWorker:
    """A worker that never takes anything."""

    def __init__(self) -> None:
        self.channel: Channel | None = None

    def attach(self, stream: int, channel: Channel) -> None:
        self.channel = channel

    def push(self, stream: int, frame: Frame) -> None:
        assert self.channel is not None
        self.channel.push(frame)

    def detach(self, stream: int) -> None:
        self.channel = None


async def test_a_stream_that_loses_too_much_fails_with_a_stall() -> None:
    stream = RecognitionStream(1, BusyWorker(), Path())  # type: ignore[arg-type]
    for _ in range((MAX_LOST + MAX_WAITING) // 8_000 + 1):
        stream.send(np.zeros(8_000, np.int16))
    assert stream.dropped_samples == MAX_LOST + 8_000
    with pytest.raises(ProviderError) as caught:
        await anext(aiter(stream))
    assert caught.value.kind == "stall"


async def test_a_failing_recogniser_fails_one_stream() -> None:
    stream = RecognitionStream(1, BusyWorker(), Path())  # type: ignore[arg-type]
    stream._on_answer(Frame(Kind.FAILED, 1, b'"RuntimeError: no"'))
    with pytest.raises(ProviderError, match="RuntimeError") as caught:
        await anext(aiter(stream))
    assert caught.value.kind == "protocol"
