"""The REST API over a real store and a desk that only remembers what it was asked."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio.from_thread
import pytest
from starlette.testclient import TestClient

from aywa.api.app import create_app
from aywa.api.auth import ApiKeys
from aywa.calls.control import ControlCommand
from aywa.calls.errors import AtCapacity, CallNotLive, CallRefused, UnknownCall
from aywa.store.documents import Document, Store
from aywa.store.sqlite import SqliteStore

KEY, OTHER_KEY = "key-of-the-first-org", "key-of-the-other-org"
ORG, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


@dataclass
class FakeDesk:
    store: Store
    folder: Path
    placed: list[Document] = field(default_factory=list)
    commands: list[ControlCommand] = field(default_factory=list)
    refuse: Exception | None = None
    count: int = 0

    async def place(self, org_id: str, request: Document) -> Document:
        if self.refuse:
            raise self.refuse
        self.placed.append(request)
        return await self.add(org_id, f"call-{len(self.placed)}", "queued", **request)

    async def add(self, org_id: str, call_id: str, status: str, **fields: object) -> Document:
        self.count += 1
        at = f"2026-01-01T00:00:00.{self.count:03d}Z"
        document = {"id": call_id, "orgId": org_id, "createdAt": at, "updatedAt": at}
        document |= {"status": status, **fields}
        await self.store.insert("call", document)
        return document

    async def control(self, org_id: str, call_id: str, command: ControlCommand) -> Document:
        call = await self.store.get("call", org_id, call_id)
        if call is None:
            raise UnknownCall("no such call")
        if call["status"] == "ended":
            raise CallNotLive("it has ended")
        self.commands.append(command)
        return call

    def artifact_folder(self, call_id: str) -> Path:
        return self.folder / call_id

    def live_count(self) -> int:
        return 3


@dataclass
class FakeTrunks:
    refreshed: int = 0
    tested: list[tuple[str, str | None]] = field(default_factory=list)

    async def refresh(self) -> None:
        self.refreshed += 1

    def status(self, org_id: str, credential_id: str) -> Document:
        return {"credentialId": credential_id, "registration": {"state": "active"}}

    def statuses(self, org_id: str) -> list[Document]:
        return [{"credentialId": "one", "orgId": org_id}]

    async def test(self, org_id: str, credential_id: str, number: str | None) -> Document:
        self.tested.append((credential_id, number))
        return {"ladder": []}


class Waiter:
    """Wakes nobody: long polls come back by their time."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    async def wait(self, call_id: str, timeout_s: float) -> None:
        self.asked.append(timeout_s)


async def unwell() -> str | None:
    return "the disk is full"


@dataclass
class Api:
    client: TestClient
    desk: FakeDesk
    trunks: FakeTrunks
    store: Store
    waiter: Waiter
    portal: anyio.from_thread.BlockingPortal

    def call(self, call_id: str, status: str = "in-progress", org: str = ORG) -> None:
        self.portal.call(self.desk.add, org, call_id, status)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with anyio.from_thread.start_blocking_portal() as portal:
        store = portal.call(SqliteStore.open, tmp_path / "a.sqlite")
        desk, waiter, trunks = FakeDesk(store, tmp_path / "calls"), Waiter(), FakeTrunks()
        app = create_app(
            store=store,
            desk=desk,
            trunks=trunks,
            trunk_tester=trunks,
            keys=ApiKeys.of({KEY: ORG, OTHER_KEY: OTHER}),
            timeline=waiter,
            version="9.9",
            readiness={"disk": unwell},
        )
        client = TestClient(app, raise_server_exceptions=False)
        client.portal = portal  # the store's threads belong to this loop
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield Api(client, desk, trunks, store, waiter, portal)
        portal.call(store.close)


__all__ = ["AtCapacity", "CallRefused"]
