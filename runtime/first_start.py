"""What a fresh data folder is given: an organisation, an API key, the demo assistant and number.

Seeds once: what an operator deletes afterwards stays deleted.
"""

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.clock import Clock, iso
from ..base.errors import ConfigurationError
from ..base.ids import Entropy
from ..store.documents import Document, Store

KEY_FILE = "development-key"
STATE_FILE = "runtime.json"
LOCK_FILE = "lock"
SECRET_FILE, SECRET_OCTETS = "secret", 32
DEMO_NUMBER = "demo"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose data folder this is, and the key that opens the API."""

    org_id: str
    api_key: str


class DataFolder:
    """The data folder, held by one runtime at a time."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigurationError when the folder cannot be used or another runtime holds it."""
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = (path / LOCK_FILE).open("w")
        except OSError as error:
            raise ConfigurationError(
                f"The data folder {path.resolve()} cannot be used: {error}. "
                "Set RUNTIME_DATA_DIR to a folder that can be written."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise ConfigurationError(
                f"Another runtime uses the data folder {path.resolve()}. "
                "Stop it, or set RUNTIME_DATA_DIR to another folder."
            ) from error

    def close(self) -> None:
        """Let the folder go."""
        self._lock.close()

    def identity(self, api_key: str | None, entropy: Entropy) -> Identity:
        """The folder's organisation, and the given key or the one made at the first start."""
        state = self._state()
        if "orgId" not in state:
            state["orgId"] = entropy.uuid()
            self._write_state(state)
        return Identity(state["orgId"], api_key or self._development_key(entropy))

    def secret(self, entropy: Entropy) -> bytes:
        """32 random octets that outlive restarts and leave the folder for nobody."""
        path = self.path / SECRET_FILE
        with contextlib.suppress(FileNotFoundError, ValueError):
            if len(secret := bytes.fromhex(path.read_text().strip())) == SECRET_OCTETS:
                return secret
        text = entropy.token(SECRET_OCTETS)
        _write_private(path, f"{text}\n")
        return bytes.fromhex(text)

    def tell_address(self, api_url: str) -> None:
        """Write down where the API listens, for commands on the same machine."""
        self._write_state(self._state() | {"apiUrl": api_url})

    async def seed(
        self, store: Store, org_id: str, demo: Document, clock: Clock, entropy: Entropy
    ) -> None:
        """Store the demo assistant and its number, once in the life of the folder."""
        state = self._state()
        if state.get("seeded"):
            return
        now = iso(clock.wall())
        common = {"orgId": org_id, "createdAt": now, "updatedAt": now}
        assistant = {"id": entropy.uuid(), **common, **demo}
        number = {
            "id": entropy.uuid(),
            **common,
            "provider": "byo-phone-number",
            "name": "Demo",
            "number": DEMO_NUMBER,
            "numberE164CheckEnabled": False,
            "assistantId": assistant["id"],
            "status": "active",
        }
        await store.insert("assistant", assistant)
        await store.insert("phone_number", number)
        self._write_state(state | {"seeded": True})

    def _development_key(self, entropy: Entropy) -> str:
        path = self.path / KEY_FILE
        with contextlib.suppress(FileNotFoundError):
            if key := path.read_text().strip():
                return key
        key = f"dev-{entropy.token(20)}"
        _write_private(path, f"{key}\n")
        return key

    def _state(self) -> dict[str, Any]:
        return read_state(self.path)

    def _write_state(self, state: dict[str, Any]) -> None:
        _write_private(self.path / STATE_FILE, json.dumps(state, indent=1) + "\n")


def read_state(data_dir: Path) -> dict[str, Any]:
    """What a data folder says about itself; empty when it says nothing."""
    try:
        state = json.loads((data_dir / STATE_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def read_key(data_dir: Path) -> str | None:
    """The development key of a data folder, if there is one."""
    try:
        return (data_dir / KEY_FILE).read_text().strip() or None
    except OSError:
        return None


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
