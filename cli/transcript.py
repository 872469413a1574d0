"""Shows a call's conversation live, from the timeline that the runtime keeps."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from .api import Api

POLL_S = 20
LAST_S = 5.0  # how long the end of the conversation may take to be written


class Follower:
    """Prints what both sides said, and in the end where the artifacts are."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ended = False

    @contextlib.asynccontextmanager
    async def following(self, call_id: str | None) -> AsyncIterator[None]:
        """Show the conversation while the block runs, then its end."""
        if call_id is None or self._api.key is None:
            why = "the other side is no Aywa runtime" if call_id is None else "there is no API key"
            print(f"(no transcript: {why})")
            yield
            return
        task = asyncio.create_task(self._follow(call_id))
        try:
            yield
            await asyncio.wait({task}, timeout=LAST_S)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tell_artifacts(call_id)

    async def _follow(self, call_id: str) -> None:
        url, after = f"{self._api.url}/call/{call_id}/timeline", 0
        try:
            async with self._api.session() as api:
                while not self._ended:
                    query = {"after": str(after), "waitSeconds": str(POLL_S)}
                    async with api.get(url, params=query) as answer:
                        if answer.status != 200:
                            print(f"(no transcript: the API answered {answer.status})")
                            return
                        page = await answer.json()
                    for item in page["items"]:
                        self._show(item)
                    after = page["nextAfter"]
        except aiohttp.ClientError as error:
            print(f"(no transcript: {error})")

    def _show(self, item: dict[str, Any]) -> None:
        data = item["data"]
        match item["type"]:
            case "user-turn":
                print(f"    caller  {data['text']}", flush=True)
            case "assistant-turn":
                cut = " —" if data["interrupted"] else ""
                print(f" assistant  {data['text']}{cut}", flush=True)
            case "turn-latency":
                own = data["runtimeLatency"]
                print(f"            (the runtime's own share: {own:.0f} ms)", flush=True)
            case "status-update" if data.get("status") == "ended":
                self._ended = True
                print(f"The call ended: {data.get('endedReason')}.", flush=True)

    def _tell_artifacts(self, call_id: str) -> None:
        folder = Path(os.path.relpath(self._api.data_dir / "calls" / call_id))
        for name, path, route in (
            ("Recording", folder / "stereo.wav", "recording/stereo"),
            ("Capture", folder / "call.pcap", "pcap"),
        ):
            place = str(path) if path.is_file() else f"{self._api.url}/call/{call_id}/{route}"
            print(f"{name:<10} {place}")
