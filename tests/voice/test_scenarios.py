"""Whole conversations on virtual time: what the caller hears, and what is remembered of it."""

import asyncio
import itertools
from contextlib import asynccontextmanager

import numpy as np
import pytest

from aywa.providers.protocols import ProviderError, TextDelta
from aywa.simulation.line import Sound, VirtualLine
from aywa.simulation.loop import START_S, VirtualClock, run_virtual
from aywa.simulation.providers import ScriptedModel, ScriptedStt, ScriptedTts, tool
from aywa.voice.conversation_events import (
    Anomaly,
    AssistantTurn,
    ConversationEvent,
    IdlePrompt,
    Interrupted,
    KeypadInput,
    ProviderFailed,
    SpeechUpdate,
    UserTurn,
)
from aywa.voice.latency import TurnLatency
from aywa.voice.session import Conversation
from aywa.voice.settings import (
    ConversationSettings,
    EndingPlan,
    FailurePlan,
    FirstMessagePlan,
    IdlePlan,
    KeypadPlan,
    StartSpeakingPlan,
    StopSpeakingPlan,
)

QUESTION = Sound(1.0, 1.8, "What are your opening hours?")
ANSWER = "We are open from nine to five, and on Saturdays we are open until noon."
REPLY_AT = 2.70  # when the first packet of ANSWER leaves, after QUESTION, with the default script


def at(event) -> float:
    return event.at - START_S


def test_three_turns(call) -> None:
    c = call(
        Sound(5.0, 6.0, "I need an appointment."),
        Sound(11.0, 11.6, "On Monday please."),
        Sound(17.0, 17.5, "Thank you."),
        first_message=FirstMessagePlan(text="Hello, this is the office."),
        model=ScriptedModel(["Of course. Which day?", "Monday is fine.", "You are welcome."]),
    ).run()
    assert c.dialogue == [
        ("assistant", "Hello, this is the office."),
        ("user", "I need an appointment."),
        ("assistant", "Of course. Which day?"),
        ("user", "On Monday please."),
        ("assistant", "Monday is fine."),
        ("user", "Thank you."),
        ("assistant", "You are welcome."),
    ]
    assert " ".join(word for word, _ in c.played()) == " ".join(
        text for role, text in c.dialogue if role == "assistant"
    )
    assert [m.content for m in c.model.requests[1].messages] == [t for _, t in c.dialogue[:4]]


def test_latency_parts_add_up_and_our_share_is_small(call) -> None:
    for first_token_s in (0.1, 0.237, 0.5):
        c = call(QUESTION, model=ScriptedModel([ANSWER], first_token_s=first_token_s)).run(8)
        [latency] = c.told(TurnLatency)
        parts = (
            latency.endpointing_ms,
            latency.transcriber_ms,
            latency.decision_ms,
            latency.model_ms,
            latency.text_ms,
            latency.voice_ms,
            latency.hold_ms,
            latency.playout_ms,
        )
        assert sum(parts) == pytest.approx(latency.total_ms, abs=0.01)
        assert min(parts) >= 0
        assert latency.endpointing_ms == pytest.approx(200)
        assert latency.model_ms == pytest.approx(first_token_s * 1000, abs=0.01)
        assert latency.voice_ms == pytest.approx(100, abs=0.01)
        assert latency.own_ms <= 20.01
        first_packet = next(i for i, n in enumerate(c.line.sent_generations) if n)
        # The caller's last packet came at 1.8 s; frame i leaves at (i + 1) * 20 ms.
        assert latency.total_ms == pytest.approx((first_packet + 1) * 20 - 1800, abs=0.01)


def test_wait_s_holds_the_first_audio_back(call) -> None:
    quick = ScriptedModel([ANSWER], first_token_s=0.0, token_s=0.0)
    stt = ScriptedStt([QUESTION], final_delay_s=0.01)
    c = call(QUESTION, model=quick, stt=stt, tts=ScriptedTts(first_audio_s=0.0)).run(8)
    [latency] = c.told(TurnLatency)
    assert latency.hold_ms > 100
    assert 400 <= latency.total_ms <= 420.01
    assert latency.own_ms <= 20.01


# Barge-in -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", range(0, 130, 1))
def test_barge_in_at_every_tick_of_a_reply(call, position: int) -> None:
    onset = REPLY_AT + position * 0.02
    c = call(
        QUESTION,
        Sound(onset, onset + 1.0, "Sorry, what about Sunday?"),
        model=ScriptedModel([ANSWER, "On Sunday we are closed."]),
    ).run(15)
    spoken, words = c.spoken(1), ANSWER.split()
    turn = c.told(AssistantTurn)[0]
    assert turn.started_at - START_S == pytest.approx(REPLY_AT)
    if not turn.interrupted:
        assert spoken == ANSWER
        assert not c.told(Interrupted)
    else:
        [interrupted] = c.told(Interrupted)
        assert c.line.flushed_at[1] == interrupted.at
        old = [i for i, n in enumerate(c.line.sent_generations) if n == 1]
        # Frame i left at (i + 1) * 20 ms: none after the tick that decided.
        assert (old[-1] + 1) * 0.02 <= at(interrupted) + 0.02
    cut = c.played()[: len(spoken.split())]
    assert turn.samples == sum(1 for n in c.line.sent_generations if n == 1) * 160
    # A word was heard if at least half of its nine frames left.
    heard = [w for w, n in cut if n >= 4.5]
    assert turn.text == " ".join(heard) == " ".join(words[: len(heard)])
    roles = [role for role, _ in c.dialogue]
    assert roles == (["user", "assistant"] * 2 if heard else ["user", "user", "assistant"])
    assert c.spoken(2) == "On Sunday we are closed."


@pytest.mark.parametrize(("text", "length"), [("mhm", 0.3), ("yeah okay", 0.5), ("", 0.28)])
def test_backchannel_and_cough_pause_and_resume_without_loss(
    call, text: str, length: float
) -> None:
    c = call(QUESTION, Sound(4.0, 4.0 + length, text), model=ScriptedModel([ANSWER])).run(15)
    assert not c.told(Interrupted)
    assert c.dialogue == [("user", QUESTION.text), ("assistant", ANSWER)]
    assert len(c.model.requests) == 1
    playing = [i for i, n in enumerate(c.line.sent_generations) if n]
    gaps = [b - a - 1 for a, b in itertools.pairwise(playing) if b > a + 1]
    assert len(gaps) == 1
    assert gaps[0] * 0.02 <= length + 0.2 + 0.2 + 0.02  # its end, the stop window, the transcriber
    words = c.played()
    # The word that was cut is spoken again from its start: nothing else is lost or repeated.
    again = [i for i in range(len(words) - 1) if words[i][0] == words[i + 1][0]]
    assert [w for i, (w, _) in enumerate(words) if i not in again] == ANSWER.split()
    assert all(n == 9 for i, (_, n) in enumerate(words) if i not in again)


def test_a_short_sound_does_not_even_pause(call) -> None:
    c = call(QUESTION, Sound(4.0, 4.16), model=ScriptedModel([ANSWER])).run(12)
    assert [w for w, n in c.played() if n == 9] == ANSWER.split()


def test_num_words_lets_single_words_pass_without_a_gap(call) -> None:
    c = call(
        QUESTION,
        Sound(3.5, 4.0, "Monday"),
        model=ScriptedModel([ANSWER, "Yes."]),
        stop_speaking=StopSpeakingPlan(num_words=2),
    ).run(15)
    assert not c.told(Interrupted)
    assert c.dialogue[1] == ("assistant", ANSWER)
    assert c.dialogue[2] == ("user", "Monday")  # kept, and answered afterwards


def test_an_acknowledgement_that_did_not_even_pause_is_not_answered(call) -> None:
    c = call(
        QUESTION,
        Sound(3.5, 4.0, "mhm"),
        model=ScriptedModel([ANSWER]),
        stop_speaking=StopSpeakingPlan(num_words=2),
    ).run(15)
    assert c.dialogue == [("user", QUESTION.text), ("assistant", ANSWER)]


def test_interruption_phrase_stops_at_once(call) -> None:
    c = call(
        QUESTION,
        Sound(3.5, 3.9, "stop"),
        model=ScriptedModel([ANSWER, "Yes?"]),
        stop_speaking=StopSpeakingPlan(num_words=5),
    ).run(10)
    [interrupted] = c.told(Interrupted)
    assert interrupted.text == "stop"
    assert at(interrupted) == pytest.approx(4.0, abs=0.021)


def test_backoff_keeps_silence_after_an_interruption(call) -> None:
    c = call(
        QUESTION,
        Sound(3.5, 4.2, "On Sunday too?"),
        model=ScriptedModel([ANSWER, "No."], first_token_s=0.05),
        stop_speaking=StopSpeakingPlan(backoff_s=3.0),
    ).run(12)
    [interrupted] = c.told(Interrupted)
    latency = c.told(TurnLatency)[-1]
    assert latency.at - interrupted.at == pytest.approx(3.0, abs=0.021)
    assert latency.hold_ms > 1000


def test_noise_without_end_does_not_silence_the_assistant(call) -> None:
    c = call(QUESTION, Sound(3.5, 25.0), model=ScriptedModel([ANSWER])).run(20)
    assert [a.kind for a in c.told(Anomaly)] == ["max_pause"]
    assert c.dialogue[1] == ("assistant", ANSWER)


def test_a_line_that_was_noisy_is_listened_to_again_once_it_is_quiet(call) -> None:
    long = " ".join([ANSWER] * 4)
    c = call(
        QUESTION,
        Sound(3.5, 8.5),
        Sound(9.5, 10.3, "And on Sunday?"),
        model=ScriptedModel([long, "Closed."]),
    ).run(20)
    [interrupted] = c.told(Interrupted)
    assert at(interrupted) < 10.3
    paused = [i for i, n in enumerate(c.line.sent_generations) if n == 1][-1]
    assert (paused + 1) * 0.02 == pytest.approx(9.68)  # 0.2 s of voice; the tick itself is silent


# Hearing ------------------------------------------------------------------------------------------


def test_a_late_final_before_the_answer_is_audible_restarts_it(call) -> None:
    sound = Sound(1.0, 2.0, "A table for two please.")
    stt = ScriptedStt([sound], interims=True, interim_delay_s=0.1, final_delay_s=0.6)
    # Interims lag so that only half of the words are known when the turn is taken.
    stt.interim_delay_s = 0.58
    c = call(
        sound,
        stt=stt,
        model=ScriptedModel([ANSWER], first_token_s=0.8),
        stt_settle_s=0.3,
        start_speaking=_quick(),
    ).run(12)
    assert len(c.model.requests) == 2
    assert c.model.cancelled == 1
    assert c.model.requests[1].messages[-1].content == "A table for two please."
    assert c.dialogue == [("user", "A table for two please."), ("assistant", ANSWER)]


def test_a_late_final_while_the_answer_is_audible_amends_the_turn(call) -> None:
    sound = Sound(1.0, 2.0, "A table for two please.")
    stt = ScriptedStt([sound], interim_delay_s=0.58, final_delay_s=1.5)
    quick = ScriptedModel([ANSWER], first_token_s=0.0, token_s=0.0)
    c = call(sound, stt=stt, model=quick, stt_settle_s=0.3, start_speaking=_quick()).run(12)
    assert c.told(UserTurn)[-1].amended
    assert not c.told(Interrupted)
    assert len(c.model.requests) == 1
    assert c.dialogue == [("user", "A table for two please."), ("assistant", ANSWER)]


def _quick() -> StartSpeakingPlan:
    return StartSpeakingPlan(speech_overhang_s=0.0, on_no_punctuation_s=0.1)


def test_words_from_before_the_answer_was_audible_join_the_turn(call) -> None:
    # The detector misses the second sound, and its final comes while the answer is spoken.
    sound = Sound(1.0, 1.8, "A table please.")
    missed = Sound(2.0, 2.3, "For two.")
    stt = ScriptedStt([sound, missed], interims=False)
    c = call(
        sound,
        stt=stt,
        model=ScriptedModel([ANSWER], first_token_s=0.0),
        actions=[(2.75, lambda conversation: conversation._ears.finalize())],
        stop_speaking=StopSpeakingPlan(num_words=3),
    ).run(10)
    assert not c.told(Interrupted)
    assert len(c.model.requests) == 1
    assert c.dialogue == [("user", "A table please. For two."), ("assistant", ANSWER)]


@pytest.mark.parametrize("finals", ["never", "empty"])
def test_finals_that_never_come_or_are_empty_do_not_stall(call, finals: str) -> None:
    c = call(
        QUESTION,
        stt=ScriptedStt([QUESTION], finals=finals),  # type: ignore[arg-type]
        model=ScriptedModel([ANSWER]),
    ).run(10)
    assert c.dialogue == [("user", QUESTION.text), ("assistant", ANSWER)]


def test_a_caller_who_goes_on_while_the_assistant_thinks_is_one_turn(call) -> None:
    c = call(
        Sound(1.0, 1.6, "I need a table."),
        Sound(2.1, 2.7, "For two people."),
        model=ScriptedModel([ANSWER], first_token_s=1.0),
    ).run(12)
    assert c.dialogue == [("user", "I need a table. For two people."), ("assistant", ANSWER)]
    assert c.model.cancelled == 1
    assert not c.told(Interrupted)


def test_speech_without_words_is_an_anomaly_and_the_call_goes_on(call) -> None:
    c = call(Sound(1.0, 2.0), Sound(10.0, 10.8, "Hello there."), model=ScriptedModel(["Hi."])).run(
        15
    )
    assert [a.kind for a in c.told(Anomaly)] == ["turn_stuck"]
    assert c.dialogue == [("user", "Hello there."), ("assistant", "Hi.")]


def test_a_turn_on_a_noisy_line_is_capped(call) -> None:
    c = call(Sound(1.0, 60.0, "hello " * 118 + "end."), model=ScriptedModel([ANSWER])).run(45)
    assert c.told(Anomaly)[0].kind == "turn_cap"
    assert at(c.told(Anomaly)[0]) == pytest.approx(31.0, abs=0.03)
    assert c.model.requests


# First message ------------------------------------------------------------------------------------


def test_the_first_message_is_held_until_the_line_is_alive(call) -> None:
    c = call(first_message=FirstMessagePlan(text="Hello."), tts=ScriptedTts(first_audio_s=0.0)).run(
        3
    )
    [started, _] = c.told(SpeechUpdate)
    assert at(started) == pytest.approx(0.32, abs=0.021)


def test_an_uninterruptible_first_message_is_heard_whole_and_the_words_are_kept(call) -> None:
    first = "Hello, this call may be recorded for training and quality purposes today."
    c = call(
        Sound(1.0, 1.8, "Stop, I have a question."),
        first_message=FirstMessagePlan(text=first),
        model=ScriptedModel(["Go on."]),
    ).run(12)
    assert not c.told(Interrupted)
    assert c.dialogue == [
        ("assistant", first),
        ("user", "Stop, I have a question."),
        ("assistant", "Go on."),
    ]
    assert [n for _, n in c.played()] == [9] * len(c.played())


def test_an_interruptible_first_message_stops(call) -> None:
    c = call(
        Sound(1.0, 1.8, "I have a question."),
        first_message=FirstMessagePlan(text=ANSWER, interruptible=True),
        model=ScriptedModel(["Go on."]),
    ).run(12)
    assert len(c.told(Interrupted)) == 1
    assert ANSWER.startswith(c.dialogue[0][1])
    assert c.dialogue[0][1] != ANSWER


def test_model_generated_first_message(call) -> None:
    c = call(
        first_message=FirstMessagePlan(mode="model-generated"), model=ScriptedModel(["Good day."])
    ).run(5)
    assert c.dialogue == [("assistant", "Good day.")]


# Keypad, silence, the end -------------------------------------------------------------------------


def test_digits_are_a_turn_and_stop_the_assistant(call) -> None:
    c = call(
        QUESTION,
        digits={3.5: "1", 4.0: "2", 4.5: "3"},
        model=ScriptedModel([ANSWER, "Thank you."]),
    ).run(12)
    assert [e.digits for e in c.told(KeypadInput)] == ["123"]
    assert c.told(Interrupted)[0].evidence == "keypad"
    assert c.dialogue[2:] == [("user", "User's Keypad Entry: 123"), ("assistant", "Thank you.")]


def test_a_delimiter_ends_the_entry_at_once(call) -> None:
    c = call(
        digits={1.0: "4", 1.2: "#"},
        keypad=KeypadPlan(enabled=True),
        model=ScriptedModel(["Four."]),
    ).run(5)
    assert at(c.told(KeypadInput)[0]) == pytest.approx(1.22, abs=0.001)


def test_idle_prompts_then_the_silence_timeout(call) -> None:
    c = call(
        first_message=FirstMessagePlan(text="Hello."),
        idle=IdlePlan(messages=("Are you there?", "Hello?"), timeout_s=7.5, max_count=2),
    ).run(60)
    assert [p.text for p in c.told(IdlePrompt)] == ["Are you there?", "Hello?"]
    assert c.ending == "silence-timed-out"
    greeted = c.told(AssistantTurn)[0].ended_at - START_S
    assert c.over_s == pytest.approx(greeted + 30.0, abs=0.01)


def test_the_silence_message_is_spoken_before_the_end(call) -> None:
    c = call(idle=IdlePlan(silence_timeout_s=10, silence_message="Goodbye then.")).run(60)
    assert c.ending == "silence-timed-out"
    assert c.dialogue == [("assistant", "Goodbye then.")]


def test_speech_postpones_the_silence_timeout(call) -> None:
    c = call(Sound(20.0, 20.3), idle=IdlePlan(silence_timeout_s=25)).run(60)
    assert c.over_s == pytest.approx(45.7, abs=0.3)


def test_an_end_phrase_ends_the_call_once_it_is_heard(call) -> None:
    c = call(
        QUESTION,
        model=ScriptedModel(["Thank you, goodbye for now!"]),
        ending=EndingPlan(phrases=("Goodbye",)),
    ).run(20)
    assert c.ending == "assistant-said-end-call-phrase"
    assert c.spoken(1) == "Thank you, goodbye for now!"


def test_the_end_call_tool_speaks_first(call) -> None:
    c = call(
        QUESTION,
        model=ScriptedModel([[TextDelta("All done. "), tool("endCall")]]),
        ending=EndingPlan(message="Have a nice day."),
    ).run(20)
    assert c.ending == "assistant-ended-call"
    assert c.dialogue[-1] == ("assistant", "All done. Have a nice day.")


def test_another_tool_is_a_told_failure_and_an_apology(call) -> None:
    c = call(QUESTION, model=ScriptedModel([[tool("lookup")]])).run(12)
    [failed] = c.told(ProviderFailed)
    assert (failed.stage, failed.provider) == ("tool", "lookup")
    assert c.dialogue[-1] == ("assistant", FailurePlan().apology)
    assert c.ending is None


@pytest.mark.parametrize("floor_at", [0.5, 2.5, 4.0])
def test_max_duration_ends_the_call_on_any_floor(call, floor_at: float) -> None:
    c = call(
        QUESTION, model=ScriptedModel([ANSWER]), ending=EndingPlan(max_duration_s=floor_at)
    ).run(20)
    assert c.ending == "exceeded-max-duration"
    assert c.over_s == pytest.approx(floor_at, abs=0.021)


# Control ------------------------------------------------------------------------------------------

FLOORS = {"listening": 0.5, "thinking": 2.3, "speaking": 3.6}


@pytest.mark.parametrize("floor_at", FLOORS.values(), ids=FLOORS)
def test_say_waits_for_the_assistant_to_finish(call, floor_at: float) -> None:
    c = call(
        QUESTION,
        model=ScriptedModel([ANSWER]),
        actions=[(floor_at, lambda conversation: conversation.say("One more thing."))],
    ).run(15)
    assert sorted(c.dialogue) == sorted(
        [("user", QUESTION.text), ("assistant", ANSWER), ("assistant", "One more thing.")]
    )
    assert not c.told(Interrupted)


def test_say_does_not_talk_into_the_callers_turn(call) -> None:
    c = call(
        QUESTION,
        model=ScriptedModel([ANSWER]),
        actions=[(1.4, lambda conversation: conversation.say("One more thing."))],
    ).run(15)
    assert c.dialogue == [
        ("user", QUESTION.text),
        ("assistant", "One more thing."),
        ("assistant", ANSWER),
    ]


@pytest.mark.parametrize("floor_at", FLOORS.values(), ids=FLOORS)
def test_say_interrupts_if_told_to(call, floor_at: float) -> None:
    c = call(
        QUESTION,
        model=ScriptedModel([ANSWER]),
        actions=[
            (floor_at, lambda talk: talk.say("Listen to me.", interrupt=True, end_call_after=True))
        ],
    ).run(15)
    assert c.ending == "assistant-ended-call"
    assert c.dialogue[-1] == ("assistant", "Listen to me.")
    assert ANSWER not in [text for _, text in c.dialogue]


def test_an_answer_cut_within_its_first_word_was_not_said(call) -> None:
    c = call(
        QUESTION,
        model=ScriptedModel([ANSWER]),
        actions=[(REPLY_AT + 0.03, lambda talk: talk.say("Wait a moment.", interrupt=True))],
    ).run(10)
    assert next(turn.samples for turn in c.told(AssistantTurn)) == 320
    assert c.dialogue == [("user", QUESTION.text), ("assistant", "Wait a moment.")]


@pytest.mark.parametrize("floor_at", FLOORS.values(), ids=FLOORS)
@pytest.mark.parametrize("trigger", [True, False])
def test_add_message_is_remembered_and_answered(call, floor_at: float, trigger: bool) -> None:
    c = call(
        QUESTION,
        model=ScriptedModel([ANSWER]),
        actions=[
            (floor_at, lambda t: t.add_message("system", "Be short.", trigger_response=trigger))
        ],
    ).run(18)
    assert ("system", "Be short.") in c.dialogue
    answered = any("Be short." in str(request.messages) for request in c.model.requests)
    assert answered is (trigger or floor_at == FLOORS["listening"])
    assert len(c.model.requests) == (2 if trigger else 1)


@pytest.mark.parametrize("floor_at", FLOORS.values(), ids=FLOORS)
def test_end_is_silent_within_a_tick_and_truthful(call, floor_at: float) -> None:
    c = call(
        QUESTION,
        model=ScriptedModel([ANSWER]),
        actions=[(floor_at, lambda conversation: conversation.end("manually-ended"))],
    ).run(15)
    assert c.ending == "manually-ended"
    assert c.over_s == pytest.approx(floor_at, abs=0.021)
    if floor_at == FLOORS["speaking"]:
        assert c.told(AssistantTurn)[0].interrupted
        assert c.dialogue[-1][1] == c.spoken(1).removesuffix(" to")


@pytest.mark.parametrize("hang_up", [0.01, 0.5, 1.5, 1.9, 2.3, 2.69, 3.51, 4.351, 9.0])
def test_a_hang_up_at_any_time_leaves_nothing(call, hang_up: float) -> None:
    c = call(
        QUESTION,
        Sound(4.1, 4.6, "mhm"),
        first_message=FirstMessagePlan(mode="waits-for-user"),
        model=ScriptedModel([ANSWER]),
    ).run(hang_up)  # run_virtual fails on a task left behind
    assert c.stt is not None
    assert c.tts is not None
    assert c.stt.open_streams == 0
    assert c.tts.running == 0
    heard = [text for role, text in c.dialogue if role == "assistant"]
    assert all(ANSWER.startswith(text) for text in heard)
    if hang_up in (3.51, 4.351):  # while speaking, while paused
        sent = c.line.sent_generations[: int(hang_up / 0.02)]
        assert c.told(AssistantTurn)[-1].samples == sent.count(1) * 160


# Failures -----------------------------------------------------------------------------------------


def _down(kind: str = "connect") -> ProviderError:
    return ProviderError("scripted", kind, "scripted failure")  # type: ignore[arg-type]


def test_a_model_failure_is_told_and_apologised_for(call) -> None:
    c = call(
        QUESTION,
        Sound(8.0, 8.8, "What are your opening hours?"),
        model=ScriptedModel([_down("rate"), ANSWER]),
    ).run(20)
    [failed] = c.told(ProviderFailed)
    assert (failed.stage, failed.kind) == ("model", "rate")
    assert [t for r, t in c.dialogue if r == "assistant"] == [FailurePlan().apology, ANSWER]
    assert c.ending is None


def test_a_model_that_keeps_failing_ends_the_call_with_an_apology(call) -> None:
    c = call(
        *(Sound(t, t + 0.8, "Hello there.") for t in (1.0, 8.0, 15.0)),
        model=ScriptedModel([_down()]),
    ).run(40)
    assert c.ending == "model-failed"
    assert len(c.told(ProviderFailed)) == 3
    assert [t for r, t in c.dialogue if r == "assistant"] == [FailurePlan().apology] * 3


def test_without_an_apology_a_failure_ends_the_call(call) -> None:
    c = call(QUESTION, model=ScriptedModel([_down()]), failure=FailurePlan(apology="")).run(20)
    assert c.ending == "model-failed"


def test_a_model_that_says_nothing_has_failed(call) -> None:
    c = call(QUESTION, model=ScriptedModel([[]])).run(9)
    assert [f.kind for f in c.told(ProviderFailed)] == ["empty"]
    assert c.dialogue[-1] == ("assistant", FailurePlan().apology)


@pytest.mark.parametrize("stalls_after", [0, 9])
def test_a_model_that_stalls_has_failed(call, stalls_after: int) -> None:
    c = call(
        QUESTION,
        model=ScriptedModel([ANSWER], stalls_after=stalls_after),
        failure=FailurePlan(stall_s=2.0),
    ).run(15)
    assert [f.kind for f in c.told(ProviderFailed)] == ["stall"]
    assert c.dialogue[-1][1].endswith(FailurePlan().apology)
    assert c.model.cancelled == 1


def test_a_voice_that_fails_for_one_text_is_apologised_for(call) -> None:
    tts = ScriptedTts(fault=lambda text: _down("stall") if "open" in text else None, after_s=0.6)
    c = call(QUESTION, model=ScriptedModel([ANSWER]), tts=tts).run(15)
    [failed] = c.told(ProviderFailed)
    assert (failed.stage, failed.kind) == ("voice", "stall")
    assert c.dialogue[1:] == [("assistant", "We are open"), ("assistant", FailurePlan().apology)]


def test_a_voice_that_is_gone_ends_the_call(call) -> None:
    c = call(QUESTION, model=ScriptedModel([ANSWER]), tts=ScriptedTts(fault=lambda _: _down())).run(
        15
    )
    assert c.ending == "voice-failed"
    assert c.dialogue == [("user", QUESTION.text)]
    assert not any(c.line.sent_generations)


def test_a_voice_without_audio_has_failed(call) -> None:
    tts = ScriptedTts()
    tts.tones.say = lambda text: (tts.tones._tone("x")[:0], ())  # type: ignore[method-assign]
    c = call(QUESTION, model=ScriptedModel([ANSWER]), tts=tts).run(15)
    assert c.told(ProviderFailed)[0].kind == "empty"
    assert c.ending == "voice-failed"


def test_a_transcriber_that_fails_ends_the_call_with_an_apology(call) -> None:
    c = call(QUESTION, stt=ScriptedStt([QUESTION], fails_at_s=0.5)).run(15)
    assert c.told(ProviderFailed)[0].stage == "transcriber"
    assert c.dialogue == [("assistant", FailurePlan().apology)]
    assert c.ending == "transcriber-failed"


def test_a_transcriber_that_hangs_up_has_failed(call) -> None:
    class Short(ScriptedStt):
        @asynccontextmanager
        async def open(self):  # type: ignore[override]
            async def nothing():
                return
                yield

            yield nothing()

    c = call(QUESTION, stt=Short([QUESTION])).run(15)
    assert [f.kind for f in c.told(ProviderFailed)] == ["close_early"]


def test_what_was_said_before_the_transcriber_is_connected_is_not_lost(call) -> None:
    sound = Sound(0.3, 0.8, "Hello there.")
    c = call(
        sound, stt=ScriptedStt([sound], connect_s=1.2, interims=False), model=ScriptedModel(["Hi."])
    ).run(8)
    assert c.dialogue == [("user", "Hello there."), ("assistant", "Hi.")]


def test_audio_of_the_wrong_kind_is_a_failure(call) -> None:
    tts = ScriptedTts()
    say = tts.tones.say
    tts.tones.say = lambda text: (say(text)[0].astype(np.float32), ())  # type: ignore[method-assign,assignment,return-value]
    c = call(QUESTION, model=ScriptedModel([ANSWER]), tts=tts).run(15)
    assert c.told(ProviderFailed)[0].kind == "protocol"
    assert "expected int16" in c.told(ProviderFailed)[0].message


def test_a_line_that_reports_nothing_ends_the_call(call) -> None:
    c = call(QUESTION, model=ScriptedModel([ANSWER]), answers=False).run(60)
    assert c.told(ProviderFailed)[0].stage == "line"
    assert c.ending == "line-failed"
    assert c.dialogue == [("user", QUESTION.text)]


def test_a_vendors_bug_is_a_failure_and_not_a_crash(call) -> None:
    class Broken(ScriptedModel):
        def reply(self, request):  # type: ignore[no-untyped-def]
            raise KeyError("choices")

    c = call(QUESTION, model=Broken([ANSWER])).run(10)
    assert [f.kind for f in c.told(ProviderFailed)] == ["protocol"]


def test_without_a_voice_nothing_was_heard(call) -> None:
    c = call(QUESTION, model=ScriptedModel([ANSWER]), tts=None).run(10)
    assert c.dialogue == [("user", QUESTION.text)]
    assert not c.told(ProviderFailed)


def test_without_ears_the_keypad_still_works(call) -> None:
    c = call(digits={1.0: "7"}, deaf=True, model=ScriptedModel(["Seven."])).run(8)
    assert c.dialogue == [("user", "User's Keypad Entry: 7"), ("assistant", "Seven.")]


def test_a_line_that_brings_nothing_at_all_is_given_up_by_the_clock() -> None:
    async def main() -> tuple[list[ConversationEvent], float]:
        told: list[ConversationEvent] = []
        conversation = Conversation(
            settings=ConversationSettings(),
            line=VirtualLine(),
            stt=None,
            model=ScriptedModel([ANSWER]),
            tts=None,
            clock=VirtualClock(),
            on_event=told.append,
        )
        await conversation.run()
        return told, asyncio.get_running_loop().time() - START_S

    told, over_s = run_virtual(main())
    assert over_s == pytest.approx(30.0, abs=0.001)
    assert [getattr(event, "reason", None) for event in told] == ["silence-timed-out"]


def test_two_runs_are_the_same(call) -> None:
    def once() -> list:
        sounds = (QUESTION, Sound(3.4, 4.4, "And on Sunday?"), Sound(9.0, 9.3, "mhm"))
        return call(*sounds, model=ScriptedModel([ANSWER])).run(20).events

    assert once() == once()
