import pytest

from aywa.providers import catalog as catalog_module
from aywa.providers.catalog import ProviderCatalog, UnknownProvider
from aywa.providers.offline.demo import DEMO_ASSISTANT
from aywa.providers.offline.dialogue import ScriptedModel

SCRIPT = {
    "firstMessage": "Hi.",
    "start": "a",
    "states": {"a": {"intents": [], "fallbacks": ["What?"]}},
}


@pytest.fixture
def catalog() -> ProviderCatalog:
    return ProviderCatalog(stt_enabled=False)


def test_nothing_named_is_the_embedded_voice(catalog: ProviderCatalog) -> None:
    for assistant in ({}, DEMO_ASSISTANT, {"model": None, "voice": None}):
        parts = catalog.providers(assistant)
        assert parts.stt is None
        assert parts.model.name == "offline"
        assert parts.tts is not None


@pytest.mark.parametrize("part", ["transcriber", "model", "voice"])
def test_a_provider_that_is_not_built_in_is_named(catalog: ProviderCatalog, part: str) -> None:
    with pytest.raises(UnknownProvider, match=rf"{part}\.provider: 'acme'.*offered: offline"):
        catalog.providers({part: {"provider": "acme"}})


def test_an_unknown_voice_and_a_wrong_script_are_named(catalog: ProviderCatalog) -> None:
    with pytest.raises(UnknownProvider, match="voiceId: 'bob'"):
        catalog.providers({"voice": {"provider": "offline", "voiceId": "bob"}})
    with pytest.raises(UnknownProvider, match=r"model\.script\.states"):
        catalog.providers({"model": {"script": SCRIPT | {"states": {}}}})


def test_an_assistant_may_bring_its_script(catalog: ProviderCatalog) -> None:
    model = catalog.providers({"model": {"provider": "offline", "script": SCRIPT}}).model
    assert isinstance(model, ScriptedModel)
    assert model.script.first_message == "Hi."


def test_calls_share_a_voice(catalog: ProviderCatalog) -> None:
    named = {"voice": {"voiceId": "rms"}}
    assert catalog.providers({}).tts is catalog.providers(named).tts
    assert catalog.providers({}).tts is not catalog.providers({"voice": {"voiceId": "slt"}}).tts


async def test_it_starts_describes_itself_and_ends() -> None:
    catalog = ProviderCatalog()
    await catalog.start()
    parts = catalog.providers(DEMO_ASSISTANT)
    if parts.stt is not None:
        assert "PocketSphinx" in catalog.describe()
        async with parts.stt.open() as stream:
            stream.finalize()
            async for transcript in stream:
                assert transcript.from_finalize
                break
    await catalog.close()


async def test_without_the_recogniser_only_keys_are_understood(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog_module, "available", lambda: False)
    catalog = ProviderCatalog(tts_enabled=False)
    await catalog.start()
    parts = catalog.providers({})
    assert parts.stt is None
    assert parts.tts is None
    assert "keypad digits only" in catalog.describe()
    assert "switched off" in catalog.describe()
    await catalog.close()
