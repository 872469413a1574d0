"""The captures are what their maker makes and what their table says."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "pcap_fixtures"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pcap_fixtures_make", FOLDER / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_capture_is_what_the_maker_makes(maker: ModuleType) -> None:
    made = {name: make() for name, make in maker.CAPTURES.items()}
    assert {path.name: path.read_bytes() for path in FOLDER.glob("*.pcap*")} == made


def test_the_table_names_each_capture() -> None:
    lines = (FOLDER / "README.md").read_text().splitlines()
    named = {line.split("`")[1] for line in lines if line.startswith("| `")}
    assert named == {path.name for path in FOLDER.glob("*.pcap*")}
