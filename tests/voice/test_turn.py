"""The turn manager on events in any order, and on a few exact ones."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aywa.media.plane import Digit, Flushed, Heard, Paused, Played, PlayStarted
from aywa.providers.protocols import ToolCall, Transcript, Word
from aywa.voice import commands
from aywa.voice.conversation_events import AssistantTurn, CallEndRequested, ConversationEvent
from aywa.voice.events import (
    CallGone,
    CallStarted,
    EndAsked,
    MessageAdded,
    ProviderDown,
    ReplyDone,
    ReplyText,
    ReplyTool,
    SayAsked,
    SpeechAudio,
    SpeechDone,
    TranscriptHeard,
    TurnEvent,
)
from aywa.voice.settings import (
    ConversationSettings,
    EndingPlan,
    FirstMessagePlan,
    IdlePlan,
    StartSpeakingPlan,
    StopSpeakingPlan,
)
from aywa.voice.turn import Floor, TurnManager

SETTINGS = ConversationSettings(
    first_message=FirstMessagePlan(text="Hello, this is the office speaking. How are you?"),
    start_speaking=StartSpeakingPlan(speech_overhang_s=0.0),
    idle=IdlePlan(messages=("Hello?",)),
    ending=EndingPlan(phrases=("bye",)),
)
TEXTS = (
    "",
    "mhm",
    "stop",
    "I need a table for two.",
    "five",
    "bye now.",
    "and then",
    "Well, yes. ",
)


class Peer:
    """A line and providers that do what they are told, or anything at all.

    It keeps the truth about what left the line, by its own count.
    """

    def __init__(self, plan: ConversationSettings) -> None:
        self.turn = TurnManager(plan)
        self.now = 0.0
        self.frame = 0
        self.generation = 0
        self.unit = 0
        self.queued: dict[int, int] = {}
        self.sent: dict[int, int] = {}
        self.started: set[int] = set()
        self.flushed: set[int] = set()
        self.text: dict[int, str] = {}
        self.told: list[ConversationEvent] = []
        self.ended = False

    def give(self, event: TurnEvent) -> None:
        self.take(self.turn.handle(event))
        self.check_timer()

    def let_pass(self, seconds: float) -> None:
        self.now += seconds
        self.take(self.turn.handle_timer(self.now))
        self.check_timer()

    def check_timer(self) -> None:
        due = self.turn.next_timer()
        assert due is None or due > self.now, "a timer that is due stays due: the loop would spin"

    def take(self, todo: Sequence[commands.Command]) -> None:
        for command in todo:
            assert not self.ended, "something is asked for after the end"
            match command:
                case commands.StartReply(generation):
                    assert generation > self.generation
                    self.generation, self.unit = generation, 0
                case commands.Synthesise(generation, unit, text):
                    assert generation >= self.generation
                    assert unit == 1 if generation > self.generation else unit == self.unit + 1
                    self.generation, self.unit = generation, unit
                    self.text[generation] = f"{self.text.get(generation, '')} {text}".strip()
                case commands.Play(generation, pcm):
                    assert generation == self.generation
                    assert generation not in self.flushed
                    self.queued[generation] = self.queued.get(generation, 0) + len(pcm)
                case commands.Flush(generation):
                    self.flushed.add(generation)
                case commands.Tell(event):
                    self.told.append(event)
                case commands.Finish():
                    self.ended = True


def heard_event(peer: Peer, speech: bool, real: bool) -> Heard:
    event = Heard(
        "s",
        peer.now,
        peer.now,
        peer.frame * 160,
        np.zeros((1, 160), np.int16),
        (speech,),
        (real,),
    )
    peer.frame += 1
    return event


def transcript(peer: Peer, text: str, final: bool, from_finalize: bool, back: float) -> Transcript:
    end = max(0.0, peer.frame * 0.02 - back)
    start = max(0.0, end - 0.3 * len(text.split()))
    return Transcript(text, final, start, end, from_finalize=final and from_finalize)


STEP = st.one_of(
    st.tuples(st.just("time"), st.floats(0.0, 12.0)),
    st.tuples(st.just("frames"), st.integers(1, 60), st.booleans(), st.booleans()),
    st.tuples(
        st.just("transcript"),
        st.sampled_from(TEXTS),
        st.booleans(),
        st.booleans(),
        st.floats(0.0, 3.0),
    ),
    st.tuples(st.just("text"), st.integers(-1, 0), st.sampled_from(TEXTS)),
    st.tuples(st.just("done"), st.integers(-1, 0)),
    st.tuples(st.just("tool"), st.sampled_from(["endCall", "lookup"])),
    st.tuples(st.just("audio"), st.integers(-1, 0), st.integers(-1, 0), st.integers(0, 8_000)),
    st.tuples(st.just("unit"), st.integers(-1, 0)),
    st.tuples(st.just("down"), st.sampled_from(["model", "voice", "transcriber"])),
    st.tuples(st.just("send"), st.integers(0, 20_000)),
    st.tuples(st.just("stray"), st.sampled_from(["started", "played", "paused", "flushed"])),
    st.tuples(st.just("digit"), st.sampled_from("0123*#")),
    st.tuples(st.just("say"), st.sampled_from(TEXTS), st.booleans(), st.booleans()),
    st.tuples(st.just("message"), st.sampled_from(TEXTS), st.booleans()),
)


def perform(peer: Peer, step: tuple) -> None:  # noqa: C901 - one line per kind of step
    match step:
        case ("time", float(seconds)):
            peer.let_pass(seconds)
        case ("frames", int(count), bool(speech), bool(real)):
            for _ in range(count):
                peer.now += 0.02
                peer.give(heard_event(peer, speech, real))
        case ("transcript", text, final, answer, back):
            heard = transcript(peer, text, final, answer, back)
            peer.give(TranscriptHeard(peer.now, heard))
        case ("text", old, text):
            peer.give(ReplyText(peer.now, peer.generation + old, text))
        case ("done", old):
            peer.give(ReplyDone(peer.now, peer.generation + old))
        case ("tool", name):
            peer.give(ReplyTool(peer.now, peer.generation, ToolCall("1", name)))
        case ("audio", old, older, samples):
            pcm = np.full(samples, 5_000, np.int16)
            words = (Word("x", 0.0, 0.2),) if samples % 2 else ()
            peer.give(SpeechAudio(peer.now, peer.generation + old, peer.unit + older, pcm, words))
        case ("unit", old):
            peer.give(SpeechDone(peer.now, peer.generation, peer.unit + old))
        case ("down", stage):
            peer.give(ProviderDown(peer.now, stage, peer.generation, "x", "stall", "gone"))
        case ("send", samples):
            send(peer, samples)
        case ("stray", kind):
            stray(peer, kind)
        case ("digit", digit):
            peer.give(Digit("s", peer.now, digit, 0.1))
        case ("say", text, interrupt, end):
            peer.give(SayAsked(peer.now, text, end, interrupt))
        case ("message", text, trigger):
            peer.give(MessageAdded(peer.now, "system", text, trigger))


def send(peer: Peer, samples: int) -> None:
    """The line sends, or answers a flush: what it reports is the truth."""
    generation = peer.generation
    queued = peer.queued.get(generation, 0)
    if generation in peer.flushed:
        gone = peer.sent.get(generation, 0)
        peer.give(Flushed("s", generation, peer.now, gone))
    elif queued and peer.turn.floor in (Floor.THINKING, Floor.SPEAKING):
        peer.sent[generation] = min(queued, peer.sent.get(generation, 0) + samples)
        if peer.sent[generation] and generation not in peer.started:
            peer.started.add(generation)
            peer.give(PlayStarted("s", generation, peer.now))
        if peer.sent[generation] == queued and generation not in peer.flushed:
            peer.give(Played("s", generation, peer.now, queued))


def stray(peer: Peer, kind: str) -> None:
    """Reports of a generation that is over, or was never begun."""
    for generation in (peer.generation - 1, peer.generation + 1):
        match kind:
            case "started":
                peer.give(PlayStarted("s", generation, peer.now))
            case "played":
                peer.give(Played("s", generation, peer.now, 9_999))
            case "paused":
                peer.give(Paused("s", generation, peer.now, 9_999))
            case _:
                peer.give(Flushed("s", generation, peer.now, 9_999))


PLANS = st.sampled_from(
    [
        SETTINGS,
        ConversationSettings(
            first_message=FirstMessagePlan(mode="model-generated", interruptible=True),
            stop_speaking=StopSpeakingPlan(num_words=2, backoff_s=1.0),
        ),
        ConversationSettings(first_message=FirstMessagePlan(text="Hi there!", interruptible=True)),
    ]
)


@settings(max_examples=300, deadline=None)
@given(plan=PLANS, steps=st.lists(STEP, max_size=60))
def test_any_order_of_events(plan: ConversationSettings, steps: list[tuple]) -> None:
    peer = Peer(plan)
    peer.give(CallStarted(0.0))
    for step in steps:
        perform(peer, step)
        entries = peer.turn.history.entries
        assert list(entries) == sorted(entries, key=lambda entry: entry.at)
    for turn in (event for event in peer.told if isinstance(event, AssistantTurn)):
        assert turn.samples > 0
        assert not turn.text or turn.samples in peer.sent.values() or peer.flushed
    spoken = " ".join(peer.text.values()).split()
    said = [entry.text for entry in peer.turn.history.entries if entry.role == "assistant"]
    assert all(word in spoken for text in said for word in text.split())
    if not any(peer.sent.values()):
        assert said == []


@settings(max_examples=150, deadline=None)
@given(plan=PLANS, steps=st.lists(STEP, max_size=40))
def test_from_anywhere_the_call_can_end(plan: ConversationSettings, steps: list[tuple]) -> None:
    peer = Peer(plan)
    peer.give(CallStarted(0.0))
    for step in steps:
        perform(peer, step)
    already = peer.ended
    peer.give(EndAsked(peer.now, "enough"))
    peer.let_pass(0.2)  # a line that is dead does not hold it up
    assert peer.ended
    ends = [event for event in peer.told if isinstance(event, CallEndRequested)]
    assert len(ends) == 1
    assert already or ends[0].reason == "enough"
    assert peer.turn.next_timer() is None


@settings(max_examples=100, deadline=None)
@given(plan=PLANS, steps=st.lists(STEP, max_size=40))
def test_left_alone_every_call_ends(plan: ConversationSettings, steps: list[tuple]) -> None:
    peer = Peer(plan)
    peer.give(CallStarted(0.0))
    for step in steps:
        perform(peer, step)
    for _ in range(200):
        due = peer.turn.next_timer()
        if due is None:
            break
        peer.let_pass(due - peer.now)
    assert peer.ended


def test_nothing_happens_before_the_call_is_up_or_after_it_is_gone() -> None:
    turn = TurnManager(SETTINGS)
    assert turn.handle(SayAsked(0.0, "Hello.")) == []
    assert turn.next_timer() is None
    turn.handle(CallStarted(1.0))
    assert turn.handle(CallGone(2.0))[-1] == commands.Finish()
    assert turn.floor is Floor.ENDED
    assert turn.handle(CallStarted(3.0)) == []
    assert turn.handle_timer(4.0) == []


@pytest.mark.parametrize(("first_packet", "held_until"), [(0.1, 0.3), (0.7, 0.7), (None, 1.0)])
def test_how_long_the_first_message_is_held(first_packet: float | None, held_until: float) -> None:
    peer = Peer(SETTINGS)
    peer.give(CallStarted(0.0))
    peer.give(SpeechAudio(0.05, 1, 1, np.ones(1_600, np.int16)))
    peer.now = 0.05
    peer.give(heard_event(peer, False, False))  # silence made by the engine is no sign of life
    if first_packet is not None:
        peer.now = first_packet
        peer.give(heard_event(peer, False, True))
    peer.now = held_until - 0.005
    peer.let_pass(0.0)
    assert not peer.queued if held_until > (first_packet or 0.0) else peer.queued
    peer.let_pass(0.006)
    assert peer.queued == {1: 1_600}


def test_a_flush_that_is_never_answered_is_settled_by_the_clock() -> None:
    peer = Peer(ConversationSettings(first_message=FirstMessagePlan(text="Hello there.")))
    peer.give(CallStarted(0.0))
    peer.now = 1.0
    peer.give(SpeechAudio(1.0, 1, 1, np.full(16_000, 5_000, np.int16)))
    peer.give(PlayStarted("s", 1, 1.0))
    peer.now = 1.5
    peer.give(EndAsked(1.5, "enough"))
    assert peer.turn.floor is Floor.CUTTING
    peer.let_pass(0.1)
    assert peer.ended
    [turn] = [event for event in peer.told if isinstance(event, AssistantTurn)]
    assert turn.samples == pytest.approx(4_000, abs=160)


def test_a_queue_of_says_is_bounded() -> None:
    peer = Peer(ConversationSettings())
    peer.give(CallStarted(0.0))
    for _ in range(100):
        peer.give(SayAsked(0.0, "Hello."))
    kinds = [getattr(event, "kind", None) for event in peer.told]
    assert kinds == ["say_queue_full"] * (100 - 33)


def test_a_model_without_end_is_cut_off() -> None:
    peer = Peer(ConversationSettings(first_message=FirstMessagePlan(mode="model-generated")))
    peer.give(CallStarted(0.0))
    out: list[commands.Command] = []
    for _ in range(2_000):
        out += peer.turn.handle(ReplyText(0.1, 1, "and so on and "))
    assert commands.CancelReply(1) in out


def test_empty_audio_is_no_progress_and_no_sound() -> None:
    peer = Peer(SETTINGS)
    peer.give(CallStarted(0.0))
    peer.give(SpeechAudio(0.0, 1, 1, np.zeros(0, np.int16)))
    peer.let_pass(5.0)
    assert peer.queued == {}
    assert [getattr(event, "kind", None) for event in peer.told] == ["stall"]


def test_the_beginning_of_another_generation_is_not_ours() -> None:
    peer = Peer(SETTINGS)
    peer.give(CallStarted(0.0))
    peer.now = 1.5
    peer.give(SpeechAudio(1.5, 1, 1, np.full(8_000, 5_000, np.int16)))
    for generation in (0, 2):
        peer.give(PlayStarted("s", generation, 1.5))
    assert peer.turn.floor is Floor.THINKING
    peer.give(PlayStarted("s", 1, 1.5))
    assert peer.turn.floor is Floor.SPEAKING
