"""Brings a SQLite database to the schema this version knows: numbered steps, forward only.

Each step is a file `migrations/NNNN.sql`, applied once, in one transaction, and remembered with its
checksum. Several processes may start at once: the first takes the write lock, the others find the
step applied.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from .documents import SchemaMismatch

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_S = 30.0  # how long a starting process waits for another one that migrates


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    number: int
    script: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.script.encode()).hexdigest()


def load_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """The steps in order. Raises SchemaMismatch when a number is missing."""
    found = [Migration(int(p.stem), p.read_text("utf-8")) for p in sorted(folder.glob("*.sql"))]
    numbers = [migration.number for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise SchemaMismatch(
            f"Migrations must be numbered 1, 2, 3 …, but {folder} has {numbers}. "
            "Install the product again."
        )
    return found


def migrate(database: Path, folder: Path = MIGRATIONS) -> int:
    """Apply what is missing and give the schema's number.

    Raises SchemaMismatch when the database is newer than this version, or when a step that was
    applied has been edited since.
    """
    migrations = load_migrations(folder)
    with closing(sqlite3.connect(database, timeout=BUSY_S, isolation_level=None)) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations"
            " (number INTEGER PRIMARY KEY, checksum TEXT NOT NULL) STRICT"
        )
        for migration in migrations:
            _apply_once(connection, migration)
        _refuse_a_newer_schema(connection, len(migrations))
    return len(migrations)


def _refuse_a_newer_schema(connection: sqlite3.Connection, known: int) -> None:
    (number,) = connection.execute(
        "SELECT coalesce(max(number), 0) FROM schema_migrations"
    ).fetchone()
    if number > known:
        raise SchemaMismatch(
            f"The database has schema {number}, but this version of the product knows schemas "
            f"up to {known}. Start the version that wrote the database, or a later one."
        )


def _apply_once(connection: sqlite3.Connection, migration: Migration) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        row = connection.execute(
            "SELECT checksum FROM schema_migrations WHERE number = ?", (migration.number,)
        ).fetchone()
        if row is None:
            for statement in _statements(migration.script):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO schema_migrations (number, checksum) VALUES (?, ?)",
                (migration.number, migration.checksum),
            )
        elif row[0] != migration.checksum:
            raise SchemaMismatch(
                f"Migration {migration.number:04} was edited after it was applied: the database "
                f"remembers {row[0][:12]}, the file is {migration.checksum[:12]}. "
                "Put the original file back and write a new migration instead."
            )
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _statements(script: str) -> Iterator[str]:
    """Split at the semicolons that end a statement (those inside a trigger do not)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
