"""From documents to conversations, and from conversations to documents."""

from aywa.calls import state
from aywa.calls.assistants import conversation_settings, merged
from aywa.calls.report import Report
from aywa.calls.wire_log import CALLS_KEPT, MESSAGES_KEPT, WireLog
from aywa.sip.events import WireMessage
from aywa.voice.conversation_events import AssistantTurn, UserTurn
from aywa.voice.latency import TurnLatency
from aywa.voice.settings import ConversationSettings


def test_an_empty_assistant_has_the_contract_s_defaults() -> None:
    assert conversation_settings({}) == ConversationSettings()
    nulls = dict.fromkeys(("model", "startSpeakingPlan", "stopSpeakingPlan", "keypadInputPlan"))
    assert conversation_settings(nulls) == ConversationSettings()


def test_every_acting_field_reaches_the_conversation() -> None:
    told = conversation_settings(
        {
            "firstMessage": "Hi",
            "firstMessageMode": "assistant-waits-for-user",
            "firstMessageInterruptionsEnabled": True,
            "model": {
                "messages": [{"role": "system", "content": "Be kind."}, {"role": "odd"}],
                "temperature": 0,
                "maxTokens": 99,
            },
            "startSpeakingPlan": {
                "waitSeconds": 1,
                "transcriptionEndpointingPlan": {
                    "onPunctuationSeconds": 0.2,
                    "onNoPunctuationSeconds": 0.3,
                    "onNumberSeconds": 0.7,
                },
            },
            "stopSpeakingPlan": {
                "numWords": 2,
                "voiceSeconds": 0.3,
                "backoffSeconds": 2,
                "acknowledgementPhrases": ["hm"],
                "interruptionPhrases": ["halt"],
            },
            "maxDurationSeconds": 60,
            "silenceTimeoutSeconds": 20,
            "endCallPhrases": ["bye now"],
            "endCallMessage": "Farewell",
            "messagePlan": {
                "idleMessages": ["There?"],
                "idleTimeoutSeconds": 6,
                "idleMessageMaxSpokenCount": 2,
                "idleMessageResetCountOnUserSpeechEnabled": True,
                "silenceTimeoutMessage": "I hang up.",
            },
            "keypadInputPlan": {"enabled": True, "timeoutSeconds": 3, "delimiters": "*"},
        }
    )
    assert (told.first_message.text, told.first_message.mode) == ("Hi", "waits-for-user")
    assert told.first_message.interruptible
    assert [m.content for m in told.model.messages] == ["Be kind."]
    assert (told.model.temperature, told.model.max_tokens) == (0, 99)
    start, stop = told.start_speaking, told.stop_speaking
    assert (start.wait_s, start.on_punctuation_s) == (1, 0.2)
    assert (start.on_no_punctuation_s, start.on_number_s) == (0.3, 0.7)
    assert (stop.num_words, stop.voice_s, stop.backoff_s) == (2, 0.3, 2)
    assert (stop.acknowledgement_phrases, stop.interruption_phrases) == (("hm",), ("halt",))
    assert (told.ending.max_duration_s, told.ending.phrases) == (60, ("bye now",))
    assert (told.ending.message, told.idle.silence_timeout_s) == ("Farewell", 20)
    assert (told.idle.messages, told.idle.timeout_s, told.idle.max_count) == (("There?",), 6, 2)
    assert (told.idle.reset_on_user_speech, told.idle.silence_message) == (True, "I hang up.")
    assert told.keypad.enabled
    assert (told.keypad.timeout_s, told.keypad.delimiters) == (3, ("*",))


def test_overrides_are_merged_in_depth_and_arrays_replaced() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert merged(base, {"a": {"c": [3]}, "d": {"e": 1}}) == {
        "a": {"b": 1, "c": [3]},
        "d": {"e": 1},
    }
    assert base["a"] == {"b": 1, "c": [1, 2]}


def test_a_report_tells_the_conversation_in_the_contract_s_words() -> None:
    report = Report(wall_offset=1_000.0)
    report.begin(10.0)
    report.assistant(AssistantTurn("Hello", 10.5, 11.0, interrupted=False, samples=4_000))
    report.user(UserTurn("one", 12.0, 12.5))
    report.user(UserTurn("one two", 12.0, 13.0, amended=True))
    report.assistant(AssistantTurn("Th", 14.0, 14.2, interrupted=True, samples=1_600))
    report.latency(TurnLatency(2, 14.0, 400, 50, 5, 10, 0, 30, 0, 5, 500))
    artifact = report.artifact()
    assert artifact["transcript"] == "AI: Hello\nUser: one two\nAI: Th\n"
    assert [m["role"] for m in artifact["messages"]] == ["bot", "user", "bot"]
    assert artifact["messages"][1] == {
        "role": "user",
        "message": "one two",
        "time": 1_012_000,
        "endTime": 1_013_000,
        "duration": 1_000,
        "secondsFromStart": 2.0,
    }
    metrics = artifact["performanceMetrics"]
    assert (metrics["turnLatencyAverage"], metrics["numUserInterrupted"]) == (500, 1)
    assert metrics["turnLatencies"][0]["runtimeLatency"] == 10


def test_no_status_leads_back() -> None:
    assert state.NEXT["ended"] == frozenset()
    assert all("queued" not in following for following in state.NEXT.values())
    assert state.reason_of_refusal(486) == "customer-busy"
    assert state.reason_of_refusal(500) == state.OUTBOUND_FAILED


def message(call_id: str, number: int = 0) -> WireMessage:
    ends = (("a", 1), ("b", 2))
    return WireMessage(float(number), *ends, "udp", b"x", call_id, outgoing=False)


def test_early_messages_wait_for_their_capture_and_memory_is_bounded() -> None:
    log, got = WireLog(), list[WireMessage]()
    for number in range(MESSAGES_KEPT + 5):
        log.write(message("mine", number))
    log.write(message("other"))
    log.claim("mine", got.append)
    log.write(message("mine", 99))
    assert [m.at for m in got] == [*map(float, range(MESSAGES_KEPT)), 99.0]
    log.release("mine")
    for number in range(2 * CALLS_KEPT):
        log.write(message(f"call-{number}"))
    late = list[WireMessage]()
    log.claim("call-0", late.append)
    log.claim(f"call-{2 * CALLS_KEPT - 1}", late.append)
    assert len(late) == 1
