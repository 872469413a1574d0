"""Which test shows which acceptance test of the SIP edge, and the page that says how they went.

    .venv/bin/python -m tests.conformance      run them and write docs/sip-conformance.md

A row is shown when every test that it names passed in the run that wrote the page. A test gives the
row its figure with `record_property("figure", "…")`.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "sip-conformance.md"
RESULTS = ROOT / "build" / "conformance.json"

Outcomes = dict[str, str]
Figures = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Row:
    """One acceptance test."""

    number: int
    what: str
    tool: str = ""
    tests: tuple[str, ...] = ()
    """Files and functions, `sip/test_calls.py::test_x`, below `tests/`."""
    note: str = ""
    """What the tests leave open, or why there are none."""


class Recorder:
    """A pytest plugin: remembers how each test went, and its figures."""

    def __init__(self) -> None:
        self.outcomes: Outcomes = {}
        self.figures: Figures = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the report of one phase; a skip or failure in any phase counts."""
        if report.when == "call" or not report.passed:
            self.outcomes[report.nodeid] = report.outcome
            found = [str(value) for name, value in report.user_properties if name == "figure"]
            if found:
                self.figures[report.nodeid] = found

    def save(self, path: Path) -> None:
        """Write what was seen."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"outcomes": self.outcomes, "figures": self.figures}))


def result(row: Row, outcomes: Outcomes) -> str:
    """How a row went: shown, failed, skipped or not shown."""
    if not row.tests:
        return "not shown"
    worst = "shown"
    for test in row.tests:
        seen = [how for name, how in outcomes.items() if _is_of(name, test)]
        if not seen or "failed" in seen:
            return "failed" if seen else "not run"
        if "passed" not in seen:
            worst = "skipped"
    return worst


def _is_of(name: str, test: str) -> bool:
    """Whether a test that ran is the one that a row names, or is in the file that it names."""
    without = name.split("[")[0]
    return without == f"tests/{test}" or without.startswith(f"tests/{test}::")


def page(rows: Sequence[Row], outcomes: Outcomes, figures: Figures) -> str:
    """The page in Markdown."""
    lines = [
        "# SIP conformance",
        "",
        "Written by `script/conformance` from a run of the tests; do not edit. *Shown*: every test",
        "named in the row passed in that run. *Virtual clock*: the same core that runs in",
        "production, with its timers turned by hand.",
        "",
        "| # | what | with | result | figure, and what is left open | tests |",
        "|---|---|---|---|---|---|",
    ]
    shown = 0
    for row in rows:
        how = result(row, outcomes)
        shown += how == "shown"
        found = [
            figure
            for test in row.tests
            for name, values in figures.items()
            if _is_of(name, test)
            for figure in values
        ]
        remark = ". ".join([*dict.fromkeys(found), *([row.note] if row.note else [])])
        tests = "<br>".join(f"`{test}`" for test in row.tests)
        lines.append(f"| {row.number} | {row.what} | {row.tool} | {how} | {remark} | {tests} |")
    lines += ["", f"{shown} of {len(rows)} rows are shown.", ""]
    return "\n".join(lines)


def main() -> int:
    """Run the tests of every row, and write the page."""
    from tests.conformance_rows import ROWS

    tests = sorted({f"tests/{test}" for row in ROWS for test in row.tests})
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile"]
    command += [f"--conformance={RESULTS}", *tests]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    seen = json.loads(RESULTS.read_text())
    PAGE.write_text(page(ROWS, seen["outcomes"], seen["figures"]))
    print(PAGE.read_text().rstrip().rsplit("\n", 1)[-1])
    return status


if __name__ == "__main__":
    sys.exit(main())
