"""What the REST API says about calls: documents, timelines, files."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.peers.capture import DISCARD_PORT, tshark_fields
from tests.peers.places import PATIENCE_S, wait_until
from tests.peers.runtime_process import RuntimeProcess

Document = dict[str, Any]


def demo(runtime: RuntimeProcess) -> tuple[Document, Document]:
    """The demonstration assistant and its phone number."""
    [number] = runtime.request("GET", "/phone-number").json()
    assistant = runtime.request("GET", f"/assistant/{number['assistantId']}").json()
    return assistant, number


def change_demo(runtime: RuntimeProcess, fields: Document) -> None:
    """Change the demonstration assistant."""
    assistant, _ = demo(runtime)
    reply = runtime.request("PATCH", f"/assistant/{assistant['id']}", fields)
    assert reply.status == 200, reply.body


def calls(runtime: RuntimeProcess) -> list[Document]:
    """Every call, the latest first."""
    found: list[Document] = runtime.request("GET", "/call").json()
    return found


def call(runtime: RuntimeProcess, call_id: str) -> Document:
    """One call's document."""
    document: Document = runtime.request("GET", f"/call/{call_id}").json()
    return document


def wait_status(
    runtime: RuntimeProcess, call_id: str, status: str, timeout_s: float = PATIENCE_S
) -> Document:
    """Wait until the call has the status and return its document."""
    wait_until(
        lambda: call(runtime, call_id)["status"] == status, f"{call_id} to be {status}", timeout_s
    )
    return call(runtime, call_id)


def wait_latest(
    runtime: RuntimeProcess, status: str, timeout_s: float = PATIENCE_S, calls_before: int = 0
) -> Document:
    """Wait until the latest call, with `calls_before` older ones, has the status."""

    def reached() -> bool:
        found = calls(runtime)
        return len(found) > calls_before and found[0]["status"] == status

    wait_until(reached, f"the latest call to be {status}", timeout_s)
    return calls(runtime)[0]


def timeline(runtime: RuntimeProcess, call_id: str) -> list[Document]:
    """The items of a call's timeline."""
    items: list[Document] = runtime.request("GET", f"/call/{call_id}/timeline").json()["items"]
    return items


def data_of(items: Iterable[Document], kind: str) -> list[Document]:
    """The data of every item of one type."""
    return [item["data"] for item in items if item["type"] == kind]


def wait_item(
    runtime: RuntimeProcess,
    call_id: str,
    kind: str,
    *,
    count: int = 1,
    timeout_s: float = PATIENCE_S,
) -> Document:
    """Wait for the `count`-th item of a type and return its data."""
    wait_until(
        lambda: len(data_of(timeline(runtime, call_id), kind)) >= count,
        f"{count} × {kind} in the timeline of {call_id}",
        timeout_s,
    )
    return data_of(timeline(runtime, call_id), kind)[count - 1]


def download(runtime: RuntimeProcess, path: str, to: Path) -> Path:
    """Save a file of the API."""
    reply = runtime.request("GET", path)
    assert reply.status == 200, reply.body
    to.write_bytes(reply.body)
    return to


def malformed(capture: Path) -> list[tuple[str, ...]]:
    """The frames that tshark calls malformed."""
    # The capture's own marks are random octets, which may look like any protocol.
    crossed = f"_ws.malformed && !(udp.port == {DISCARD_PORT})"
    return tshark_fields(capture, crossed, "frame.number", "_ws.malformed")
