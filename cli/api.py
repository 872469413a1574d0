"""The runtime's REST API, as the commands of this machine find it: address, key, one question."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from ..base.errors import AywaError
from ..runtime.first_start import read_key, read_state
from ..runtime.settings import load

ANSWER_S = 60.0


class ApiError(AywaError):
    """The API did not do what was asked; the message is its own sentence where it gave one."""


@dataclass(frozen=True, slots=True)
class Api:
    """Where the API is, and the key to it."""

    url: str
    key: str | None
    data_dir: Path

    @classmethod
    def find(cls, url: str | None, key: str | None) -> "Api":
        """What the command line names, else what the settings and the data folder say."""
        settings = load()
        found = url or read_state(settings.data_dir).get("apiUrl") or settings.api_url
        return cls(
            found.rstrip("/"),
            key or settings.api_key or read_key(settings.data_dir),
            settings.data_dir,
        )

    def session(self) -> aiohttp.ClientSession:
        """A client with the key. Raises ApiError when there is none."""
        if self.key is None:
            raise ApiError("There is no API key: give --key, or set RUNTIME_API_KEY.")
        return aiohttp.ClientSession(headers={"Authorization": f"Bearer {self.key}"})

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer. Raises ApiError."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        try:
            async with (
                self.session() as session,
                session.request(method, self.url + path, json=body, timeout=timeout) as answer,
            ):
                content = await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ApiError(f"The API at {self.url} cannot be asked: {error}") from error
        if answer.status >= 400:
            message = content.get("message") if isinstance(content, dict) else content
            sentence = "; ".join(message) if isinstance(message, list) else str(message)
            raise ApiError(f"The API answered {answer.status}: {sentence}")
        return content
