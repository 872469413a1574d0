"""The repository keeps its own rules: names in step, sizes, no machine paths, two commands."""

import ast
import hashlib
import os
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import aywa

ROOT = Path(__file__).resolve().parents[1]
SCRIPT_FOLDERS = ("script", ".ci")
APACHE_2 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
"""SHA-256 of the licence text as the Apache Software Foundation publishes it."""


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the project, relative: those in git and those not yet added, none ignored."""
    listed = subprocess.run(
        [
            *("git", "-c", "safe.directory=*", "ls-files", "-z"),
            *("--cached", "--others", "--exclude-standard"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = (Path(name) for name in listed.split("\0") if name)
    return tuple(p for p in paths if (ROOT / p).is_file() and not (ROOT / p).is_symlink())


@cache
def project() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def rooms() -> set[str]:
    return {path.name for path in (ROOT / "aywa").iterdir() if path.is_symlink()}


def room_modules() -> list[Path]:
    return [p for p in tracked() if p.suffix == ".py" and p.parts[0] in rooms()]


def test_each_room_has_a_link_that_leads_to_it() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"aywa"}
    assert rooms() == packages
    for room in rooms():
        assert (ROOT / "aywa" / room).readlink() == Path("..", room)


def test_each_room_stands_in_every_list() -> None:
    banned = project()["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    assert set(banned) == rooms()
    assert set(project()["tool"]["coverage"]["run"]["source"]) == rooms() | {"aywa"}
    contracts = project()["tool"]["importlinter"]["contracts"]
    layers = next(c for c in contracts if c["type"] == "layers")["layers"]
    floors = {name.removeprefix("aywa.") for line in layers for name in line.split(" | ")}
    assert floors | {"simulation"} == rooms()


def test_no_file_is_too_long() -> None:
    lengths = {p: len((ROOT / p).read_text().splitlines()) for p in tracked() if p.suffix == ".py"}
    too_long = {
        str(p): n for p, n in lengths.items() if n > (800 if p.parts[0] == "tests" else 600)
    }
    assert too_long == {}


def test_no_registry_or_machine_path_is_named() -> None:
    # Brackets keep this file from naming what it looks for.
    forbidden = re.compile(
        rb"pyp[i]\.org|pythonhoste[d]\.org|npmj[s]\.(org|com)|deb[.]debia[n]\.org"
        rb"|/(wor[k]|far[m])/|/hom[e]/|/roo[t]/"
    )
    found = {
        f"{path}: {match[0].decode()}"
        for path in tracked()
        for match in forbidden.finditer((ROOT / path).read_bytes())
    }
    assert found == set()


def test_the_readme_sets_up_with_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    [section] = re.findall(r"^## Start\n(.*?)(?=^## |\Z)", readme, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert [block.strip() for block in blocks] == ["script/server", "script/test"]


def test_ci_runs_the_test_command() -> None:
    commands = [
        line
        for line in (ROOT / ".ci/run").read_text().splitlines()
        if line and not line.startswith(("#", "set ", "cd "))
    ]
    assert commands == ["exec script/test"]


def test_the_licence_is_apache_2() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2


def test_the_changelog_tells_of_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## {re.escape(aywa.__version__)} ", changelog, re.MULTILINE)


@pytest.mark.parametrize("name", ["runtime", "dev"])
def test_locks_pin_every_package_by_hash_and_name_no_index(name: str) -> None:
    text = (ROOT / f"requirements/{name}.txt").read_text()
    packages = re.findall(r"^[a-z].*?(?=^[a-z]|\Z)", text, re.MULTILINE | re.DOTALL)
    assert len(packages) > 20
    for package in packages:
        assert re.match(r"[a-z0-9-]+==[\w.]+ ", package), package[:80]
        assert "--hash=sha256:" in package, package[:80]
    assert "://" not in text
    assert not re.search(r"^--?[a-z]", text, re.MULTILINE)


def test_the_requirements_are_those_of_the_package() -> None:
    lines = (ROOT / "requirements/runtime.in").read_text().splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    assert listed == project()["project"]["dependencies"]


def test_each_script_can_be_run() -> None:
    scripts = [path for path in tracked() if path.parts[0] in SCRIPT_FOLDERS]
    assert len(scripts) > 4
    assert [str(path) for path in scripts if not os.access(ROOT / path, os.X_OK)] == []


def test_only_the_settings_read_the_environment() -> None:
    readers = set()
    for path in room_modules():
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            name = node.attr if isinstance(node, ast.Attribute) else None
            names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            if {name, *names} & {"environ", "environb", "getenv"}:
                readers.add(str(path))
    assert readers == {"runtime/settings.py"}


def test_each_setting_is_documented() -> None:
    names = re.compile(r"\b(?:[A-Z\d]+_)+[A-Z\d]+\b")
    prefixes = ("RUNTIME_", "VOICE_PIPELINE_", "WEBHOOK_", "REDIS_")
    source = ast.parse((ROOT / "runtime/settings.py").read_text())
    read = {
        node.value
        for node in ast.walk(source)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and names.fullmatch(node.value)
        and node.value.startswith(prefixes)
    }
    documented = set(
        re.findall(r"^\| `([A-Z\d_]+)`", (ROOT / "docs/settings.md").read_text(), re.M)
    )
    assert len(read) > 10
    assert read == documented


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    named = re.findall(r"`((?:[a-z_.]+/)+(?:[\w-]+(?:\.[a-z]+)?)?)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_each_dependency_is_explained() -> None:
    page = (ROOT / "docs/dependencies.md").read_text().lower()
    lines = "\n".join(
        (ROOT / f"requirements/{name}.in").read_text() for name in ("runtime", "dev")
    ).splitlines()
    wanted = [m[0] for line in lines if (m := re.match(r"[a-z][a-z\d-]*", line))]
    assert [name for name in wanted if f"`{name}`" not in page] == []
