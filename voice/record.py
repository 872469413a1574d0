"""What each event means: the facts are written into the part that understands them.

One function per kind of event. What follows from the facts is decided in `turn`.
"""

from collections.abc import Callable
from typing import Any

from ..media.plane import Digit, Flushed, Heard, Paused, Played, PlayStarted
from ..providers.protocols import Transcript
from . import conversation_events as told
from .commands import CancelReply, CancelSpeech, FinalizeTranscript, Finish
from .events import (
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
from .history import Entry
from .phrases import spoken_until_s
from .speech import SpeechStarted
from .talk import Floor, Talk
from .utterance import Speech

FIRST_WAIT_S = 0.3  # after the call is up, so that the first syllable is not clipped
FIRST_WAIT_MAX_S = 1.0  # without a packet from the caller
SAY_QUEUE = 32
END_CALL_TOOLS = ("endCall", "end_call")


def record(talk: Talk, event: TurnEvent) -> None:
    """Write down what an event says."""
    _HANDLERS[type(event)](talk, event)


def _on_started(talk: Talk, event: CallStarted) -> None:
    if talk.floor is not Floor.OPENING:
        return
    talk.started_at = event.at
    talk.end_at = event.at + talk.settings.ending.max_duration_s
    talk.hold_until = event.at + FIRST_WAIT_MAX_S
    talk.floor = Floor.LISTENING
    talk.idle.start(event.at)
    first = talk.settings.first_message
    if first.mode == "model-generated":
        talk.begin(Speech("reply", interruptible=first.interruptible))
    elif first.mode == "speaks-first" and first.text:
        talk.begin(Speech("first", first.text, first.interruptible))


def _on_heard(talk: Talk, event: Heard) -> None:
    talk.clock.observe(event)
    if any(event.real) and not talk.line_heard and talk.started_at is not None:
        talk.line_heard = True
        talk.hold_until = max(talk.started_at + FIRST_WAIT_S, event.arrived)
        if talk.utterance and talk.utterance.generation == 1:
            talk.utterance.hold_until = talk.hold_until
    for change in talk.segments.hear(event):
        talk.idle.caller_active(talk.now)
        if isinstance(change, SpeechStarted):
            talk.endpointer.speech_started(change)
            talk.tell(told.SpeechUpdate("user", "started", change.at))
        else:
            talk.endpointer.speech_stopped(change, talk.now)
            talk.barge_in.quiet()
            talk.tell(told.SpeechUpdate("user", "stopped", change.at))
            talk.out.append(FinalizeTranscript())


def _on_transcript(talk: Talk, event: TranscriptHeard) -> None:
    transcript = event.transcript
    if transcript.text.strip():
        talk.tell(
            told.UserTranscript(transcript.text, transcript.final, event.at, transcript.confidence)
        )
        talk.idle.caller_active(event.at)
    end_s = spoken_until_s(transcript)
    if talk.endpointer.hear(transcript, event.at, talk.clock.at(end_s)):
        _amend_turn(talk)
    elif _came_before_the_answer(talk, transcript) and talk.endpointer.extend_taken():
        talk.correct_turn(talk.endpointer.taken_text)
    talk.barge_in.hear(transcript)


def _came_before_the_answer(talk: Talk, transcript: Transcript) -> bool:
    """Whether these are words from before the assistant was audible: part of what it answers."""
    utterance = talk.utterance
    if utterance is None or utterance.turn_key is None or talk.segments.speaking:
        return False
    audible = talk.floor in (Floor.SPEAKING, Floor.PAUSED)
    settled = audible and transcript.final and bool(transcript.text.strip())
    return settled and spoken_until_s(transcript) <= talk.audible_s


def _amend_turn(talk: Talk) -> None:
    """A late final changed the turn that is being answered."""
    utterance = talk.utterance
    answering = utterance is not None and utterance.turn_key is not None
    if utterance and answering and talk.floor is Floor.THINKING and utterance.interruptible:
        talk.take_back(utterance)
    else:
        talk.correct_turn(talk.endpointer.taken_text)


def _on_digit(talk: Talk, event: Digit) -> None:
    talk.keypad.press(event.digit, event.at)
    talk.idle.caller_active(event.at)
    utterance = talk.utterance
    if utterance is None or not utterance.interruptible or talk.floor is Floor.CUTTING:
        return
    if talk.floor is not Floor.THINKING or utterance.speech.kind == "reply":
        talk.stop("keypad")


def _on_reply_text(talk: Talk, event: ReplyText) -> None:
    utterance = talk.of(event.generation)
    if utterance and not utterance.text_done:
        utterance.add_text(event.text, event.at)
        if utterance.text_done:
            talk.out.append(CancelReply(utterance.generation))


def _on_reply_tool(talk: Talk, event: ReplyTool) -> None:
    utterance = talk.of(event.generation)
    if utterance is None or utterance.text_done:
        return
    if event.call.name in END_CALL_TOOLS:
        utterance.end_reason = "assistant-ended-call"
        utterance.interruptible = False
        return
    utterance.tool_refused = True
    message = f"the model asked for the tool {event.call.name!r}; tools are not run"
    talk.tell(told.ProviderFailed("tool", event.call.name, "protocol", message, talk.now))


def _on_reply_done(talk: Talk, event: ReplyDone) -> None:
    utterance = talk.of(event.generation)
    if utterance is None or utterance.text_done:
        return
    if utterance.end_reason and talk.settings.ending.message:
        utterance.add_text("\n" + talk.settings.ending.message, event.at)
    utterance.finish_text(event.at)


def _on_audio(talk: Talk, event: SpeechAudio) -> None:
    if utterance := talk.of(event.generation):
        utterance.add_audio(event)


def _on_unit_done(talk: Talk, event: SpeechDone) -> None:
    if utterance := talk.of(event.generation):
        utterance.end_unit(event.unit, event.at)


def _on_provider_down(talk: Talk, event: ProviderDown) -> None:
    if event.stage == "transcriber" or talk.of(event.generation):
        talk.fail(event.stage, event.provider, event.kind, event.message)


def _on_play_started(talk: Talk, event: PlayStarted) -> None:
    utterance = talk.utterance
    if utterance is None or utterance.generation != event.generation:
        return
    if not utterance.given_to_line or utterance.started_at is not None:
        return
    utterance.started_at = event.at
    talk.tell(told.SpeechUpdate("assistant", "started", event.at))
    if talk.floor is not Floor.THINKING:
        return
    talk.floor = Floor.SPEAKING
    talk.audible_s = talk.clock.heard_s(event.at)
    talk.barge_in.begin(talk.audible_s, talk.segments.voiced_frames)
    if utterance.speech.kind == "reply":
        talk.failed_replies = 0
    if utterance.checkpoints:
        talk.tell(utterance.checkpoints.report(utterance.generation, event.at))


def _on_played(talk: Talk, event: Played) -> None:
    utterance = talk.utterance
    if utterance and utterance.generation == event.generation and utterance.given_to_line:
        cut = talk.floor is Floor.CUTTING
        talk.settle(utterance, event.samples, event.at, interrupted=cut)


def _on_paused(talk: Talk, event: Paused) -> None:
    utterance = talk.utterance
    if utterance and utterance.generation == event.generation:
        utterance.samples_left = event.samples


def _on_flushed(talk: Talk, event: Flushed) -> None:
    utterance = talk.utterance
    current = utterance is not None and utterance.generation == event.generation
    if utterance and current and talk.floor is Floor.CUTTING:
        talk.settle(utterance, event.samples, event.at, interrupted=True)


def _on_say(talk: Talk, event: SayAsked) -> None:
    if not event.text.strip():
        return
    if len(talk.queue) >= SAY_QUEUE:
        talk.tell(told.Anomaly("say_queue_full", talk.now))
        return
    reason = "assistant-ended-call" if event.end_call_after else ""
    speech = Speech("say", event.text, event.interruptible, reason)
    if not event.interrupt:
        talk.queue.append(speech)
        return
    talk.queue.appendleft(speech)
    if talk.floor in (Floor.THINKING, Floor.SPEAKING, Floor.PAUSED):
        talk.stop("control")


def _on_message(talk: Talk, event: MessageAdded) -> None:
    talk.history.add(Entry(event.role, event.content, event.at))
    if not event.trigger_response:
        return
    talk.reply_wanted = True
    utterance = talk.utterance
    if utterance and talk.floor is Floor.THINKING and utterance.speech.kind == "reply":
        talk.turn = utterance.turn
        talk.stop(None)


def _on_end(talk: Talk, event: EndAsked) -> None:
    talk.end_now(event.reason)


def _on_gone(talk: Talk, event: CallGone) -> None:
    if utterance := talk.utterance:
        talk.out += [
            CancelSpeech(utterance.generation),
            CancelReply(utterance.generation),
        ]
        left = utterance.left_by(event.at)
        talk.settle(utterance, left, event.at, interrupted=True)
    talk.floor = Floor.ENDED
    talk.out.append(Finish())


_HANDLERS: dict[type, Callable[[Talk, Any], None]] = {
    CallStarted: _on_started,
    CallGone: _on_gone,
    Heard: _on_heard,
    Digit: _on_digit,
    TranscriptHeard: _on_transcript,
    ReplyText: _on_reply_text,
    ReplyTool: _on_reply_tool,
    ReplyDone: _on_reply_done,
    SpeechAudio: _on_audio,
    SpeechDone: _on_unit_done,
    ProviderDown: _on_provider_down,
    PlayStarted: _on_play_started,
    Played: _on_played,
    Paused: _on_paused,
    Flushed: _on_flushed,
    SayAsked: _on_say,
    MessageAdded: _on_message,
    EndAsked: _on_end,
}
