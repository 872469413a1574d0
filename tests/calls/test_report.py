"""The document's view of a conversation."""

from aywa.calls.report import Report, latency_document
from aywa.voice.conversation_events import AssistantTurn, UserTurn
from aywa.voice.latency import TurnLatency

LATENCY = TurnLatency(
    generation=1,
    at=5.0,
    endpointing_ms=400.0,
    transcriber_ms=30.0,
    decision_ms=1.25,
    model_ms=200.0,
    text_ms=10.0,
    voice_ms=90.0,
    hold_ms=0.0,
    playout_ms=8.0,
    total_ms=739.25,
)


def _report() -> Report:
    report = Report(wall_offset=1_000.0)
    report.begin(10.0)
    return report


def test_messages_tell_who_said_what_and_when() -> None:
    report = _report()
    report.assistant(AssistantTurn("Hello.", 10.5, 11.5, interrupted=False, samples=8_000))
    report.user(UserTurn("a table please", 12.0, 13.25))
    artifact = report.artifact()
    assert artifact["messages"] == [
        {
            "role": "bot",
            "message": "Hello.",
            "time": 1_010_500,
            "endTime": 1_011_500,
            "duration": 1_000,
            "secondsFromStart": 0.5,
        },
        {
            "role": "user",
            "message": "a table please",
            "time": 1_012_000,
            "endTime": 1_013_250,
            "duration": 1_250,
            "secondsFromStart": 2.0,
        },
    ]
    assert artifact["transcript"] == "AI: Hello.\nUser: a table please\n"
    roles = [message["role"] for message in artifact["messagesOpenAIFormatted"]]
    assert roles == ["assistant", "user"]


def test_an_amended_turn_takes_the_place_of_the_last_one() -> None:
    report = _report()
    report.user(UserTurn("a table", 12.0, 13.0))
    report.assistant(AssistantTurn("For", 13.5, 14.0, interrupted=True, samples=4_000))
    report.user(UserTurn("a table for two", 12.0, 14.0, amended=True))
    artifact = report.artifact()
    assert [m["message"] for m in artifact["messages"]] == ["a table for two", "For"]
    assert artifact["performanceMetrics"]["numUserInterrupted"] == 1


def test_an_amendment_of_nothing_is_a_turn() -> None:
    report = _report()
    report.user(UserTurn("hello", 12.0, 13.0, amended=True))
    assert [m["message"] for m in report.artifact()["messages"]] == ["hello"]


def test_latencies_are_listed_and_averaged() -> None:
    report = _report()
    report.latency(LATENCY)
    report.latency(LATENCY)
    metrics = report.artifact()["performanceMetrics"]
    assert metrics["turnLatencies"] == [latency_document(LATENCY)] * 2
    assert metrics["modelLatencyAverage"] == 200.0
    assert metrics["turnLatencies"][0]["runtimeLatency"] == 9.2  # decision and playout
    assert "modelLatencyAverage" not in _report().artifact()["performanceMetrics"]
