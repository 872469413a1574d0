"""From what an assistant's document names to the parts that a conversation is made of.

Built once; holds what all calls share: the recognition workers and the synthesiser. Only the
embedded voice is built in. Knows no conversation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..base.errors import AywaError
from .offline.demo import demo_script
from .offline.dialogue import ScriptedModel
from .offline.engines import FLITE_VOICES, find_engine
from .offline.recogniser import available
from .offline.script import Script, ScriptError, parse_script
from .offline.stt import OfflineSpeechToText, Recognition
from .offline.tts import OfflineTextToSpeech
from .offline.workers import RecognitionSettings
from .protocols import LanguageModel, SpeechToText, TextToSpeech

OFFERED = ("offline",)


class UnknownProvider(AywaError):
    """An assistant asks for something that is not built in."""


@dataclass(frozen=True, slots=True)
class Providers:
    """What one conversation is made of. None: it does without."""

    stt: SpeechToText | None
    model: LanguageModel
    tts: TextToSpeech | None


class ProviderCatalog:
    """Every provider of this node. `start` before the first call, `close` after the last one."""

    def __init__(
        self,
        *,
        stt_enabled: bool = True,
        tts_enabled: bool = True,
        recognition: RecognitionSettings | None = None,
    ) -> None:
        self._stt_enabled, self._tts_enabled = stt_enabled, tts_enabled
        hears = stt_enabled and available()
        self._recognition = Recognition(recognition or RecognitionSettings()) if hears else None
        self._voices: dict[str | None, OfflineTextToSpeech] = {}
        self._demo = demo_script()

    async def start(self) -> None:
        """Start the workers and speak once, so that the first call does not wait.

        Raises ProviderError when the recognition worker does not start.
        """
        if self._tts_enabled:
            async for _ in self._voice({}).speak(self._demo.first_message):
                pass
        if self._recognition is not None:
            await self._recognition.start(self._demo.phrases())

    async def close(self) -> None:
        """Stop everything."""
        if self._recognition is not None:
            await self._recognition.close()
        for voice in self._voices.values():
            voice.close()

    def providers(self, assistant: Mapping[str, Any]) -> Providers:
        """The parts for an assistant's document. Raises UnknownProvider."""
        for part in ("transcriber", "model", "voice"):
            self._check(part, assistant)
        model = assistant.get("model") or {}
        script = self._script(model)
        stt = (
            OfflineSpeechToText(self._recognition, script.phrases()) if self._recognition else None
        )
        tts = self._voice(assistant.get("voice") or {}) if self._tts_enabled else None
        return Providers(stt, ScriptedModel(script), tts)

    def describe(self) -> str:
        """What is in use here and what is missing, in a sentence."""
        if not self._stt_enabled:
            hearing = "speech recognition is switched off"
        elif self._recognition is None:
            hearing = "keypad digits only, because pocketsphinx is not installed"
        else:
            hearing = "hears the phrases of its script (PocketSphinx, US English)"
        if not self._tts_enabled:
            speaking = "speech synthesis is switched off"
        else:
            speaking = f"speaks by {self._voice({}).describe()}"
        return f"embedded, no outside service: {hearing}; {speaking}."

    def _check(self, part: str, assistant: Mapping[str, Any]) -> None:
        fields = assistant.get(part) or {}
        name = fields.get("provider", "offline") if isinstance(fields, Mapping) else fields
        if name not in OFFERED:
            offered = ", ".join(OFFERED)
            raise UnknownProvider(
                f"{part}.provider: {name!r} is not built into this version; offered: {offered}."
            )

    def _script(self, model: Mapping[str, Any]) -> Script:
        document = model.get("script")
        if document is None:
            return self._demo
        try:
            return parse_script(document)
        except ScriptError as error:
            raise UnknownProvider(f"model.{error}") from error

    def _voice(self, voice: Mapping[str, Any]) -> OfflineTextToSpeech:
        name = voice.get("voiceId")
        if name is not None and name not in FLITE_VOICES:
            offered = ", ".join(FLITE_VOICES)
            raise UnknownProvider(
                f"voice.voiceId: {name!r} is no offline voice; offered: {offered}."
            )
        if name == FLITE_VOICES[0]:
            name = None
        if name not in self._voices:
            self._voices[name] = OfflineTextToSpeech(find_engine(name))
        return self._voices[name]
