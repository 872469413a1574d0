"""The turn manager: who has the floor, and what follows from everything that happens.

It awaits nothing and reads no clock. `handle` takes one event, `handle_timer` the passing of time;
both give back commands in the order in which they are to be carried out. `next_timer` says when
time must be reported next.

**Facts first, then decisions.** `record` writes what an event says into the part that understands
it: speech segments, the endpointer, the barge-in judge, the utterance, the keypad. Then the step of
the present floor asks the parts what follows, again and again until nothing does; what it decides
is a verb of `talk`. Steps look at *levels* (is the turn over? has the hold passed?) and not at
which event came, so that no order of events can slip past a decision, and a timer is nothing but
another look.

    OPENING    the call is not up yet
    LISTENING  the assistant is silent and owes nothing: the caller's turn grows, or nobody speaks
    THINKING   an utterance is under way but not audible; new words of the caller take it back
    SPEAKING   its audio is leaving; the caller's voice pauses it, the caller's words stop it
    PAUSED     frozen, nothing lost: decide between stop and resume
    CUTTING    stopped; the line is telling how much had left (it answers within a tick)
    ENDED      nothing happens any more

Only LISTENING begins anything: a queued `say`, keypad entry, the answer to a caller's turn, an idle
prompt, the end of the call. That is why an utterance can never run into another, and why the next
reply is only asked for when the history knows which words of the last one were heard.

**Truth.** The assistant's words enter the history when its audio has left, cut at the samples that
the line reports; zero samples, no entry. Every utterance has a generation number greater than all
before; events of older ones are ignored.

**Never dead air.** Whoever owes a step has a deadline; a failure is told, then apologised for or
answered by the end of the call, as the settings say. A model's tool calls are not run yet: a call
of `endCall` ends the call once everything is spoken, any other is reported as a failure of stage
"tool" and, if the model said nothing beside it, apologised for.

Where we differ from the common description of pause-and-decide: a pause that reaches its limit
without one word resumes the reply instead of dropping it, and the line's "speech" is ignored until
it is quiet once. A noisy line would otherwise make the assistant mute.
"""

from collections.abc import Callable

from . import conversation_events as told
from .barge_in import Phrase, Verdict
from .commands import Command
from .endpointing import is_due
from .events import TurnEvent
from .history import History
from .record import record
from .settings import ConversationSettings
from .talk import Floor, Talk
from .timing import NEVER, reached
from .utterance import Speech, Utterance


class TurnManager:
    """One conversation. `voiced` says whether there is a voice at all, `settle_s` how long a final
    transcript may take after the last speech."""

    def __init__(
        self, settings: ConversationSettings, *, voiced: bool = True, settle_s: float = 0.35
    ) -> None:
        self._talk = Talk(settings, voiced=voiced, settle_s=settle_s)

    @property
    def floor(self) -> Floor:
        """Who has the floor."""
        return self._talk.floor

    @property
    def history(self) -> History:
        """What was said."""
        return self._talk.history

    def handle(self, event: TurnEvent) -> list[Command]:
        """Take what happened; give back what to do, in order."""
        if self._talk.floor is Floor.ENDED:
            return []
        self._talk.now = max(self._talk.now, event.at)
        record(self._talk, event)
        return self._decide()

    def handle_timer(self, now: float) -> list[Command]:
        """Let time pass; give back what to do, in order."""
        if self._talk.floor is Floor.ENDED:
            return []
        self._talk.now = max(self._talk.now, now)
        return self._decide()

    def next_timer(self) -> float | None:
        """When `handle_timer` must be called, monotonic; None if nothing is waited for."""
        talk = self._talk
        if talk.floor in (Floor.ENDED, Floor.OPENING):
            return None
        due = min(talk.end_at, _next_step_at(talk))
        return due if due < NEVER else None

    def _decide(self) -> list[Command]:
        talk = self._talk
        if reached(talk.end_at, talk.now):
            talk.end_now("exceeded-max-duration")
        while talk.floor in _STEPS and _STEPS[talk.floor](talk):
            pass
        out, talk.out = talk.out, []
        return out


# Steps: what follows, floor by floor. True if something did. ------------------------------------


def _listen(talk: Talk) -> bool:
    if talk.end_reason:
        talk.end(talk.end_reason)
        return True
    if digits := talk.keypad.take(talk.now):
        talk.take_digits(digits)
        return True
    if _end_turn(talk):
        return True
    return talk.nobody_speaks() and _begin_next(talk)


def _begin_next(talk: Talk) -> bool:
    if talk.queue:
        talk.begin(talk.queue.popleft())
        return True
    if talk.reply_wanted:
        talk.reply_wanted = False
        talk.begin(Speech("reply"))
        return True
    return _break_silence(talk)


def _end_turn(talk: Talk) -> bool:
    outlook = talk.endpointer.outlook()
    if outlook is None or not is_due(outlook, talk.now):
        return False
    if outlook.anomaly:
        talk.tell(told.Anomaly(outlook.anomaly, talk.now))
    if talk.segments.speaking:
        talk.barge_in.ignore_voice()
    if outlook.verdict == "commit":
        talk.take_turn()
    else:
        talk.endpointer.drop()
        talk.idle.caller_active(talk.now)
    return True


def _break_silence(talk: Talk) -> bool:
    outlook = talk.idle.outlook()
    if not reached(outlook.at, talk.now):
        return False
    if outlook.verdict == "prompt":
        text = talk.idle.next_prompt()
        talk.tell(told.IdlePrompt(text, talk.idle.count, talk.now))
        talk.begin(Speech("prompt", text))
    elif message := talk.settings.idle.silence_message:
        talk.begin(Speech("goodbye", message, False, "silence-timed-out"))
    else:
        talk.end("silence-timed-out")
    return True


def _think(talk: Talk) -> bool:
    utterance = talk.current()
    if utterance.speech.kind == "reply" and utterance.interruptible and talk.words_added():
        talk.take_back(utterance)
        return True
    if utterance.silent:
        talk.finish_silent(utterance)
        return True
    return _carry_on(talk, utterance)


def _speak(talk: Talk) -> bool:
    utterance = talk.current()
    if utterance.interruptible:
        verdict = talk.barge_in.while_speaking(talk.segments.voiced_frames)
        if verdict is Verdict.STOP:
            talk.stop("words")
            return True
        if verdict is Verdict.PAUSE:
            talk.pause(utterance)
            return True
    if talk.settled_phrase() is Phrase.ACKNOWLEDGEMENT:
        talk.endpointer.drop()
    return _carry_on(talk, utterance)


def _judge_pause(talk: Talk) -> bool:
    utterance = talk.current()
    if talk.barge_in.stops_paused():
        talk.stop("words")
        return True
    if reached(talk.resume_at(utterance), talk.now):
        if talk.caller_speaks():
            talk.tell(told.Anomaly("max_pause", talk.now))
            talk.barge_in.ignore_voice()
        talk.resume(utterance)
        return True
    talk.out += utterance.pump(talk.now)
    return False


def _cut(talk: Talk) -> bool:
    if not reached(talk.cut_until, talk.now):
        return False
    utterance = talk.current()
    talk.settle(utterance, utterance.left_by(talk.now), talk.now, interrupted=True)
    return True


def _carry_on(talk: Talk, utterance: Utterance) -> bool:
    if not reached(talk.stalled_at(utterance), talk.now):
        talk.out += utterance.pump(talk.now)
        return False
    stage = utterance.waits_for
    message = f"no progress for {talk.settings.failure.stall_s:g} s"
    talk.fail(stage, stage, "stall", message)
    if stage == "line":
        talk.stop(None)
    return True


def _next_step_at(talk: Talk) -> float:
    """When the present floor's step will find something to do, monotonic."""
    utterance = talk.utterance
    match talk.floor:
        case Floor.LISTENING:
            outlook = talk.endpointer.outlook()
            due = min(talk.keypad.due, outlook.at if outlook else NEVER)
            return min(due, talk.idle.outlook().at) if talk.nobody_speaks() else due
        case Floor.CUTTING:
            return talk.cut_until
        case Floor.PAUSED if utterance:
            return min(talk.resume_at(utterance), utterance.due())
        case _ if utterance:
            return min(utterance.due(), talk.stalled_at(utterance))
    return NEVER


_STEPS: dict[Floor, Callable[[Talk], bool]] = {
    Floor.LISTENING: _listen,
    Floor.THINKING: _think,
    Floor.SPEAKING: _speak,
    Floor.PAUSED: _judge_pause,
    Floor.CUTTING: _cut,
}
