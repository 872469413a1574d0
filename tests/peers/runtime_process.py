"""The product as an operator runs it: `aywa serve` in a process of its own."""

import http.client
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.places import PATIENCE_S, Place, Program

API_KEY = "peer-test-key-0123456789"
START_S = 30.0
"""How long the runtime may take to become ready on a busy machine."""

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the REST API."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class RuntimeProcess:
    """A running runtime. `data_dir` outlives it, so that a second one can be started on it."""

    program: Program
    place: Place
    http_port: int
    sip_port: int
    rtp_ports: tuple[int, int]
    data_dir: Path
    api_key: str = API_KEY

    @classmethod
    def start(
        cls,
        place: Place,
        *,
        max_calls: int = 20,
        data_dir: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> "RuntimeProcess":
        """Start it on free ports and wait until /readyz says it is ready.

        `environ` adds settings or overrides the ones chosen here.
        """
        runtime = cls.launch(place, max_calls=max_calls, data_dir=data_dir, environ=environ)
        runtime.program.watch(runtime.is_ready, "the runtime to be ready", START_S)
        return runtime

    @classmethod
    def launch(
        cls,
        place: Place,
        *,
        max_calls: int = 20,
        data_dir: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> "RuntimeProcess":
        """`start` without waiting, for a runtime that is to refuse the start."""
        http_port, sip_port = place.free_port(), place.free_port()
        first, last = place.free_range(2 * max_calls)
        folder = data_dir or place.folder / "data"
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RUNTIME_", "VOICE_PIPELINE_"))
        }
        settings = {
            "RUNTIME_HTTP_HOST": place.address,
            "RUNTIME_HTTP_PORT": str(http_port),
            "RUNTIME_SIP_HOST": place.address,
            "RUNTIME_SIP_PORT": str(sip_port),
            "RUNTIME_RTP_PORTS": f"{first}-{last}",
            "RUNTIME_SIP_TRUSTED": f"127.0.0.0/8, {place.address}/24",
            "RUNTIME_SIP_TARGETS": f"127.0.0.0/8, {place.address}/24",
            "RUNTIME_MAX_CALLS": str(max_calls),
            "RUNTIME_DATA_DIR": str(folder),
            "RUNTIME_API_KEY": API_KEY,
            "PYTHONUNBUFFERED": "1",
            **(environ or {}),
        }
        program = place.start(
            "runtime",
            [sys.executable, "-m", "aywa.cli.main", "serve"],
            env=inherited | settings,
            cwd=REPOSITORY,
        )
        return cls(program, place, http_port, sip_port, (first, last), folder)

    @property
    def log(self) -> Path:
        """What it wrote to its standard output and error."""
        return self.program.log

    @property
    def sip_address(self) -> tuple[str, int]:
        return self.place.address, self.sip_port

    def sip_uri(self, user: str = "demo") -> str:
        return f"sip:{user}@{self.place.address}:{self.sip_port}"

    def request(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Reply:
        """Ask the REST API, with the API key unless `key` is another one ("" for none)."""
        headers = {"Content-Type": "application/json"}
        token = self.api_key if key is None else key
        if token:
            headers["Authorization"] = f"Bearer {token}"
        content = None if body is None else json.dumps(body)
        connection = http.client.HTTPConnection(self.place.address, self.http_port, PATIENCE_S)
        try:
            with self.place.inside():
                connection.connect()
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, names, response.read())
        finally:
            connection.close()

    def is_ready(self) -> bool:
        try:
            return self.request("GET", "/readyz").status == 200
        except OSError:
            return False

    def stop(self, timeout_s: float = 20.0) -> int:
        """Ask it to end (SIGTERM) and return the exit status; -9 when it had to be killed."""
        return self.program.stop(timeout_s)

    def kill9(self) -> None:
        """End it and its media process at once, as a power cut would."""
        self.program.kill()
