"""From an assistant's document to the conversation's settings."""

from aywa.calls.assistants import conversation_settings, merged
from aywa.voice.settings import ConversationSettings


def test_an_empty_document_gives_the_defaults() -> None:
    settings, defaults = conversation_settings({}), ConversationSettings()
    assert settings.start_speaking == defaults.start_speaking
    assert settings.stop_speaking == defaults.stop_speaking
    assert settings.idle == defaults.idle
    assert settings.keypad == defaults.keypad
    assert settings.ending == defaults.ending


def test_null_means_absent() -> None:
    fields = {"silenceTimeoutSeconds": None, "stopSpeakingPlan": None, "model": None}
    assert conversation_settings(fields) == conversation_settings({})


def test_fields_reach_the_plans() -> None:
    settings = conversation_settings(
        {
            "firstMessage": "Hi.",
            "firstMessageMode": "assistant-waits-for-user",
            "firstMessageInterruptionsEnabled": True,
            "silenceTimeoutSeconds": 12,
            "maxDurationSeconds": 60,
            "endCallPhrases": ["bye now"],
            "startSpeakingPlan": {
                "waitSeconds": 0.7,
                "transcriptionEndpointingPlan": {"onNoPunctuationSeconds": 2.5},
            },
            "stopSpeakingPlan": {"numWords": 3, "interruptionPhrases": ["wait"]},
            "keypadInputPlan": {"enabled": False, "delimiters": ["#", ""]},
            "model": {
                "temperature": 0.2,
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "wizard", "content": "ignored"},
                ],
            },
        }
    )
    assert settings.first_message.text == "Hi."
    assert settings.first_message.mode == "waits-for-user"
    assert settings.first_message.interruptible
    assert settings.idle.silence_timeout_s == 12
    assert settings.ending.max_duration_s == 60
    assert settings.ending.phrases == ("bye now",)
    assert settings.start_speaking.wait_s == 0.7
    assert settings.start_speaking.on_no_punctuation_s == 2.5
    assert settings.stop_speaking.num_words == 3
    assert settings.stop_speaking.interruption_phrases == ("wait",)
    assert not settings.keypad.enabled
    assert settings.keypad.delimiters == ("#",)
    assert settings.model.temperature == 0.2
    assert [m.content for m in settings.model.messages] == ["Be brief."]


def test_overrides_are_merged_in_depth_and_lists_replaced() -> None:
    base = {"model": {"provider": "offline", "temperature": 1}, "phrases": ["a", "b"], "name": "x"}
    over = {"model": {"temperature": 0}, "phrases": ["c"]}
    assert merged(base, over) == {
        "model": {"provider": "offline", "temperature": 0},
        "phrases": ["c"],
        "name": "x",
    }
    assert base["phrases"] == ["a", "b"]
    assert merged({"a": {"b": 1}}, {"a": None}) == {"a": None}
    assert merged({"a": 1}, {"a": {"b": 2}}) == {"a": {"b": 2}}
