"""The conformance page is that of its table, and the table names tests that there are."""

import re
from pathlib import Path

from tests.conformance import PAGE, ROOT, Row, page, result
from tests.conformance_rows import ROWS


def test_every_acceptance_test_has_its_row_on_the_page() -> None:
    text = PAGE.read_text()
    assert [row.number for row in ROWS] == list(range(1, 67))
    for row in ROWS:
        assert f"| {row.number} | {row.what} | {row.tool} |" in text
        assert all(f"`{test}`" in text for test in row.tests)


def test_every_test_that_a_row_names_exists() -> None:
    for row in ROWS:
        for test in row.tests:
            file, _, function = test.partition("::")
            path: Path = ROOT / "tests" / file
            assert path.is_file(), test
            assert not function or re.search(rf"def {function}\(", path.read_text()), test


def test_a_row_is_shown_only_when_all_its_tests_passed() -> None:
    row = Row(1, "x", "y", ("a.py::test_a", "b.py"))
    good = {"tests/a.py::test_a[1]": "passed", "tests/b.py::test_b": "passed"}
    assert result(row, good) == "shown"
    assert result(row, good | {"tests/a.py::test_a[2]": "failed"}) == "failed"
    assert result(row, {"tests/a.py::test_a": "passed"}) == "not run"
    assert result(row, good | {"tests/b.py::test_b": "skipped"}) == "skipped"
    assert result(Row(2, "z"), good) == "not shown"
    assert "0 of 1 rows" in page([row], {}, {})
