"""A data folder belongs to one runtime, keeps its key, and is seeded once."""

from pathlib import Path

import pytest

from aywa.base.clock import SystemClock
from aywa.base.errors import ConfigurationError
from aywa.base.ids import SeededEntropy
from aywa.providers.offline.demo import DEMO_ASSISTANT
from aywa.runtime.first_start import KEY_FILE, DataFolder, read_key, read_state
from aywa.store.documents import Filters
from aywa.store.sqlite import SqliteStore


def test_a_second_runtime_is_told_who_is_there(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with pytest.raises(ConfigurationError, match="Another runtime uses"):
        DataFolder(tmp_path)
    folder.close()
    DataFolder(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be used"):
        DataFolder(tmp_path / "file" / "data")


def test_the_key_is_kept_and_private(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    first = folder.identity(None, SeededEntropy(1))
    assert folder.identity(None, SeededEntropy(2)) == first
    assert read_key(tmp_path) == first.api_key
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o077 == 0
    given = folder.identity("k" * 20, SeededEntropy(3))
    assert (given.api_key, given.org_id) == ("k" * 20, first.org_id)
    folder.tell_address("http://127.0.0.1:1")
    assert read_state(tmp_path)["apiUrl"] == "http://127.0.0.1:1"
    assert read_state(tmp_path / "nowhere") == {}
    folder.close()


async def test_the_demo_is_seeded_once(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    store = await SqliteStore.open(tmp_path / "a.sqlite")
    for _ in range(2):
        await folder.seed(store, "org", DEMO_ASSISTANT, SystemClock(), SeededEntropy(1))
        number = await store.phone_number_for("demo")
        assistants = await store.find("assistant", "org", Filters())
        if number:
            assert [a["id"] for a in assistants] == [number["assistantId"]]
            await store.delete("phone_number", "org", number["id"])
        else:
            assert len(assistants) == 1  # what was deleted stays deleted
    await store.close()
    folder.close()
