"""From an assistant's document to what its conversation is told.

Reads only the fields that act; the API has checked their shapes and limits. A missing field takes
the default of the REST contract, which stands in `voice/settings.py`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..providers.protocols import Message
from ..voice.settings import (
    ConversationSettings,
    EndingPlan,
    FirstMessageMode,
    FirstMessagePlan,
    IdlePlan,
    KeypadPlan,
    ModelPlan,
    StartSpeakingPlan,
    StopSpeakingPlan,
)

Fields = Mapping[str, Any]

_MODES: dict[str, FirstMessageMode] = {
    "assistant-speaks-first": "speaks-first",
    "assistant-speaks-first-with-model-generated-message": "model-generated",
    "assistant-waits-for-user": "waits-for-user",
}


def merged(base: Fields, overrides: Fields) -> dict[str, Any]:
    """`base` with `overrides` laid over it: objects are merged in depth, arrays replaced."""
    result = dict(base)
    for key, value in overrides.items():
        below = result.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        result[key] = merged(below or {}, value) if both else value
    return result


def conversation_settings(assistant: Fields) -> ConversationSettings:
    """What the conversation of this assistant is told."""
    return ConversationSettings(
        model=_model(assistant.get("model") or {}),
        first_message=_first_message(assistant),
        start_speaking=_start_speaking(assistant.get("startSpeakingPlan") or {}),
        stop_speaking=_stop_speaking(assistant.get("stopSpeakingPlan") or {}),
        idle=_idle(assistant),
        keypad=_keypad(assistant.get("keypadInputPlan") or {}),
        ending=_taken(
            EndingPlan(),
            assistant,
            max_duration_s="maxDurationSeconds",
            phrases="endCallPhrases",
            message="endCallMessage",
        ),
    )


def _taken(plan: Any, fields: Fields, **names: str) -> Any:
    """`plan` with each attribute whose REST field is present; lists become tuples."""
    values = {attribute: fields.get(name) for attribute, name in names.items()}
    return replace(
        plan,
        **{
            attribute: tuple(value) if isinstance(value, list) else value
            for attribute, value in values.items()
            if value is not None
        },
    )


def _model(fields: Fields) -> ModelPlan:
    messages = tuple(
        Message(message["role"], message.get("content") or "")
        for message in fields.get("messages") or ()
        if message.get("role") in {"system", "user", "assistant", "tool"}
    )
    plan = ModelPlan(messages=messages)
    taken: ModelPlan = _taken(plan, fields, temperature="temperature", max_tokens="maxTokens")
    return taken


def _first_message(fields: Fields) -> FirstMessagePlan:
    return FirstMessagePlan(
        mode=_MODES.get(fields.get("firstMessageMode") or "", "speaks-first"),
        text=fields.get("firstMessage") or "",
        interruptible=bool(fields.get("firstMessageInterruptionsEnabled")),
    )


def _start_speaking(fields: Fields) -> StartSpeakingPlan:
    plan = _taken(StartSpeakingPlan(), fields, wait_s="waitSeconds")
    taken: StartSpeakingPlan = _taken(
        plan,
        fields.get("transcriptionEndpointingPlan") or {},
        on_punctuation_s="onPunctuationSeconds",
        on_no_punctuation_s="onNoPunctuationSeconds",
        on_number_s="onNumberSeconds",
    )
    return taken


def _stop_speaking(fields: Fields) -> StopSpeakingPlan:
    taken: StopSpeakingPlan = _taken(
        StopSpeakingPlan(),
        fields,
        num_words="numWords",
        voice_s="voiceSeconds",
        backoff_s="backoffSeconds",
        acknowledgement_phrases="acknowledgementPhrases",
        interruption_phrases="interruptionPhrases",
    )
    return taken


def _idle(assistant: Fields) -> IdlePlan:
    plan = _taken(IdlePlan(), assistant, silence_timeout_s="silenceTimeoutSeconds")
    taken: IdlePlan = _taken(
        plan,
        assistant.get("messagePlan") or {},
        messages="idleMessages",
        timeout_s="idleTimeoutSeconds",
        max_count="idleMessageMaxSpokenCount",
        reset_on_user_speech="idleMessageResetCountOnUserSpeechEnabled",
        silence_message="silenceTimeoutMessage",
    )
    return taken


def _keypad(fields: Fields) -> KeypadPlan:
    delimiters = fields.get("delimiters")
    plan = KeypadPlan() if delimiters is None else KeypadPlan(delimiters=_delimiters(delimiters))
    taken: KeypadPlan = _taken(plan, fields, enabled="enabled", timeout_s="timeoutSeconds")
    return taken


def _delimiters(value: str | list[str]) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [value]
    return tuple(delimiter for delimiter in given if delimiter)
