"""When a caller's turn is over."""

import pytest

from aywa.providers.protocols import Transcript, Word
from aywa.voice.endpointing import Endpointer, required_wait_s
from aywa.voice.settings import StartSpeakingPlan
from aywa.voice.speech import SpeechStarted, SpeechStopped

PLAN = StartSpeakingPlan()
SETTLE = 0.5


def spoken(start: float = 1.0, end: float = 2.0, plan: StartSpeakingPlan = PLAN) -> Endpointer:
    """An endpointer whose caller spoke from `start` to `end` (both clocks alike)."""
    endpointer = Endpointer(plan, SETTLE)
    endpointer.speech_started(SpeechStarted(start, start))
    endpointer.speech_stopped(SpeechStopped(end, end, end - start), end + 0.2)
    return endpointer


def hear(
    endpointer: Endpointer,
    text: str,
    at: float,
    *,
    final: bool = True,
    span: tuple[float, float] = (1.0, 2.0),
    answer: bool = False,
) -> bool:
    transcript = Transcript(text, final, *span, from_finalize=answer)
    return endpointer.hear(transcript, at, span[1])


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("I would like a table.", 0.1),
        ("Are you there?", 0.1),
        ("I would like a", 1.5),
        ("", 1.5),
        ("My number is 555", 0.5),
        ("My number is five five.", 0.5),
        ("It is 12.", 0.5),
        ("john at", 0.5),
        ("mail me john@exam", 0.5),
        ("S M I", 0.5),
        ("s. m. i", 0.5),
    ],
)
def test_the_wait_depends_on_how_the_text_ends(text: str, wait_s: float) -> None:
    assert required_wait_s(text, PLAN) == wait_s


def test_commits_when_the_policy_and_the_transcriber_are_done() -> None:
    endpointer = spoken()
    hear(endpointer, "Hello there.", 2.1, final=False)
    assert endpointer.outlook().at == pytest.approx(2.5)  # type: ignore[union-attr]
    hear(endpointer, "Hello there.", 2.35, answer=True)
    outlook = endpointer.outlook()
    assert outlook is not None
    assert (outlook.at, outlook.verdict) == (pytest.approx(2.35), "commit")
    turn = endpointer.commit(2.35)
    assert (turn.text, turn.started_at, turn.ended_at) == ("Hello there.", 1.0, 2.0)
    assert turn.end.policy_until == pytest.approx(2.2)
    assert not endpointer.open


def test_policy_outlasts_a_quick_transcriber() -> None:
    endpointer = spoken()
    hear(endpointer, "I would like", 2.25, answer=True)
    assert endpointer.outlook().at == pytest.approx(3.5)  # type: ignore[union-attr]


def test_no_commit_while_the_caller_speaks_unless_capped() -> None:
    endpointer = spoken()
    endpointer.speech_started(SpeechStarted(2.4, 2.4))
    hear(endpointer, "Hello there.", 2.45, answer=True)
    outlook = endpointer.outlook()
    assert outlook is not None
    assert (outlook.at, outlook.verdict, outlook.anomaly) == (31.0, "commit", "turn_cap")


def test_an_answer_to_an_earlier_finalize_does_not_settle() -> None:
    endpointer = spoken()
    endpointer.speech_started(SpeechStarted(2.3, 2.3))
    endpointer.speech_stopped(SpeechStopped(3.0, 3.0, 0.7), 3.2)
    hear(endpointer, "Hello.", 3.21, answer=True)
    assert endpointer.settled_at() is None
    hear(endpointer, "There.", 3.4, span=(2.3, 2.5), answer=True)
    assert endpointer.settled_at() == 3.4


def test_a_final_that_covers_the_speech_settles_without_a_finalize() -> None:
    endpointer = spoken()
    hear(endpointer, "Hello.", 2.3)
    assert endpointer.settled_at() == 2.3


def test_no_transcript_ever_settles_by_time() -> None:
    endpointer = spoken()
    hear(endpointer, "Hello.", 1.9, final=False)
    outlook = endpointer.outlook()
    assert outlook is not None
    assert (outlook.at, outlook.verdict) == (pytest.approx(2.5), "commit")


def test_a_cough_is_dropped_as_soon_as_the_transcriber_says_nothing() -> None:
    endpointer = spoken(1.0, 1.3)
    hear(endpointer, "", 1.6, span=(1.3, 1.5), answer=True)
    outlook = endpointer.outlook()
    assert outlook is not None
    assert (outlook.at, outlook.verdict, outlook.anomaly) == (pytest.approx(1.6), "drop", None)


def test_long_speech_without_words_is_waited_for_and_then_an_anomaly() -> None:
    endpointer = spoken()
    hear(endpointer, "", 2.4, answer=True)
    outlook = endpointer.outlook()
    assert outlook is not None
    assert (outlook.at, outlook.verdict, outlook.anomaly) == (7.0, "drop", "turn_stuck")


def test_words_that_the_speech_detector_missed_open_a_turn() -> None:
    endpointer = Endpointer(PLAN, SETTLE)
    hear(endpointer, "Hello.", 2.3)
    outlook = endpointer.outlook()
    assert outlook is not None
    assert (outlook.at, outlook.verdict) == (pytest.approx(2.3), "commit")


def committed(text: str, *, final: bool) -> Endpointer:
    endpointer = spoken()
    hear(endpointer, text, 2.1, final=final)
    endpointer.commit(2.6)
    return endpointer


def test_a_late_final_with_the_same_words_changes_nothing() -> None:
    assert not hear(committed("hello there", final=False), "Hello there.", 3.0, answer=True)


def test_a_late_final_with_other_words_changes_the_turn_and_merges() -> None:
    endpointer = committed("a table for", final=False)
    assert hear(endpointer, "A table for two.", 3.0, answer=True)
    endpointer.merge()
    assert endpointer.text == "A table for two."
    outlook = endpointer.outlook()
    assert outlook is not None
    assert outlook.at <= 3.0


def test_new_words_are_merged_behind_the_taken_ones() -> None:
    endpointer = committed("A table.", final=True)
    endpointer.speech_started(SpeechStarted(3.0, 3.0))
    hear(endpointer, "For two.", 3.6, final=False, span=(3.0, 3.5))
    endpointer.merge()
    assert endpointer.text == "A table. For two."


def test_an_interim_that_grows_past_the_commit_is_not_doubled() -> None:
    endpointer = committed("a table", final=False)
    hear(endpointer, "a table for two", 3.0, final=False, span=(1.0, 2.8))
    endpointer.merge()
    assert endpointer.text == "a table for two"


def test_the_same_interim_again_is_not_new_speech() -> None:
    endpointer = committed("a table", final=False)
    hear(endpointer, "a table", 3.0, final=False, span=(1.0, 2.9))
    assert not endpointer.open


def test_word_times_beat_the_span_of_the_transcript() -> None:
    endpointer = committed("A table.", final=True)
    late = Transcript("Please.", True, 1.0, 3.0, words=(Word("Please.", 1.8, 2.0),))
    assert endpointer.hear(late, 3.1, 2.0)
    assert endpointer.taken_text == "A table. Please."


def test_nothing_to_commit_is_an_error() -> None:
    with pytest.raises(LookupError, match="no caller turn"):
        Endpointer(PLAN, SETTLE).commit(1.0)
