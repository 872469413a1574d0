"""Options of every test run."""

from pathlib import Path

import pytest

from tests.conformance import Recorder


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--conformance FILE` keeps how every test went, for docs/sip-conformance.md."""
    parser.addoption("--conformance", default=None, metavar="FILE", help="keep the outcomes there")


def pytest_configure(config: pytest.Config) -> None:
    """Record, in the process that hears of every test."""
    if config.getoption("--conformance") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(), "conformance")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Save what was recorded."""
    recorder = config.pluginmanager.get_plugin("conformance")
    if isinstance(recorder, Recorder):
        recorder.save(Path(config.getoption("--conformance")))
