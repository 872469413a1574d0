"""Where peers run: on this machine's loopback, or in a network namespace of their own.

A namespace has every port free and an address that is not 127.0.0.1, which some SIP phones refuse.
Nothing that runs in it can be reached from outside, and it can reach nothing.
"""

import contextlib
import ctypes
import itertools
import os
import random
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

Transport = Literal["udp", "tcp"]

PATIENCE_S = 15.0
"""How long a peer may take to come up or to do what was asked, on a busy machine."""

PORTS = (5_100, 9_900)
"""Below those of `free_range`, and those that Linux gives to clients."""

LISTEN = "0A"
"""The state of a listening TCP socket in /proc/net/tcp."""


class PeerError(AssertionError):
    """A peer did not do what the test needs; the message ends with what it said last."""


def wait_until(true: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait until `true()` holds. Raises PeerError naming `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            raise PeerError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(0.02)


@dataclass(slots=True)
class Program:
    """A program that a test started. Its output goes to `log`."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait for the end and return the exit status (negative: the signal)."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise PeerError(
                f"{self.name} still runs after {timeout_s:.0f} s{self.tail()}"
            ) from None

    def wait_for(self, text: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the output contains `text`."""
        self.watch(lambda: text in self.output(), f"{self.name} to say {text!r}", timeout_s)

    def wait_listening(self, transport: Transport, port: int) -> None:
        """Wait until some socket is bound to `port` where the program runs."""
        self.watch(
            lambda: port in _bound_ports(self.process.pid, transport),
            f"{self.name} to listen on {transport} port {port}",
        )

    def watch(self, true: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
        """`wait_until`, which ends early with what the program said when the program ends."""

        def true_or_dead() -> bool:
            ended = self.process.poll() is not None
            if not true():
                if ended:
                    raise PeerError(f"{self.name} ended before {what}{self.tail()}")
                return False
            return True

        try:
            wait_until(true_or_dead, what, timeout_s)
        except PeerError as error:
            raise PeerError(f"{error}{self.tail()}") from None

    def tail(self, lines: int = 25) -> str:
        return "\n".join(["; its last words:", *self.output().splitlines()[-lines:]])

    def stop(self, timeout_s: float = 5.0) -> int:
        """Ask it to end (SIGTERM), insist after `timeout_s`, and return the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout_s)
        return self.kill()

    def kill(self) -> int:
        """End it and its children at once, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        return self.process.wait(PATIENCE_S)


def _bound_ports(pid: int, transport: Transport) -> set[int]:
    ports = set()
    for table in (transport, f"{transport}6"):
        with contextlib.suppress(OSError):
            for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                columns = row.split()
                if transport == "udp" or columns[3] == LISTEN:
                    ports.add(int(columns[1].rpartition(":")[2], 16))
    return ports


@dataclass(slots=True)
class Place:
    """Loopback: programs share this machine's ports, so ask for free ones."""

    folder: Path
    """Scratch folder for logs and files of what runs here."""
    address: str = "127.0.0.1"
    programs: list[Program] = field(default_factory=list)
    resources: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    """What else ends with the place, such as control connections."""
    _next_range: Iterator[int] = field(
        default_factory=lambda: itertools.cycle(range(10_000, 32_000, 100))
    )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything that was started here."""
        self.resources.close()
        for program in reversed(self.programs):
            program.stop()

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Program:
        """Start a program here; `close` ends it if the test does not."""
        log = self.folder / f"{name}-{len(self.programs)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*self.prefix(), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd or self.folder,
                start_new_session=True,
            )
        program = Program(name, process, log)
        self.programs.append(program)
        return program

    def prefix(self) -> list[str]:
        """Words that put a command into this place."""
        return []

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets that this thread opens within the block are opened here. Do not await in it."""
        yield

    def free_port(self) -> int:
        """A port that is free for UDP and TCP now, and that no client is given by chance later."""
        with self.inside():
            for _ in range(100):
                port = random.randrange(*PORTS)
                if all(self._is_free(port, k) for k in (socket.SOCK_DGRAM, socket.SOCK_STREAM)):
                    return port
        raise PeerError(f"no port of {self.address} is free for both UDP and TCP")

    def free_range(self, ports: int) -> tuple[int, int]:
        """A range of UDP ports that are free now, first an even one: (first, last)."""
        with self.inside():
            for first in itertools.islice(self._next_range, os.getpid() % 220, 440):
                last = first + ports - 1
                if all(self._is_free(p, socket.SOCK_DGRAM) for p in range(first, last + 1)):
                    return first, last
        raise PeerError(f"no {ports} consecutive UDP ports of {self.address} are free")

    def _is_free(self, port: int, kind: socket.SocketKind) -> bool:
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((self.address, port))
            except OSError:
                return False
            return True


CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()


def _enter_namespace(descriptor: int) -> None:
    # os.setns came with Python 3.12.
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "cannot enter the network namespace")


def _ip(*words: str) -> None:
    result = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise PeerError(f"ip {' '.join(words)}: {result.stderr.strip()}")


class NetworkNamespace(Place):
    """A namespace with loopback and 192.0.2.10/24 (RFC 5737). Needs root and iproute2."""

    def __init__(self, folder: Path, address: str = "192.0.2.10") -> None:
        super().__init__(folder, address)
        self.interface = "veth0"
        self.name = f"aywa-{os.getpid()}-{next(_numbers)}"
        _remove_abandoned_namespaces()
        _ip("netns", "add", self.name)
        try:
            for words in (
                "link set lo up",
                f"link add {self.interface} type veth peer name veth1",
                f"addr add {address}/24 dev {self.interface}",
                f"link set {self.interface} up",
                "link set veth1 up",
            ):
                _ip("-netns", self.name, *words.split())
        except PeerError:
            self.close()
            raise

    def close(self) -> None:
        try:
            super().close()
        finally:
            _ip("netns", "delete", self.name)

    def prefix(self) -> list[str]:
        return ["ip", "netns", "exec", self.name]

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        with (
            Path("/proc/thread-self/ns/net").open("rb") as before,
            Path("/run/netns", self.name).open("rb") as own,
        ):
            _enter_namespace(own.fileno())
            try:
                yield
            finally:
                _enter_namespace(before.fileno())


def _remove_abandoned_namespaces() -> None:
    """Remove what a test run left behind that was killed."""
    folder = Path("/run/netns")
    for path in folder.iterdir() if folder.is_dir() else ():
        match = re.fullmatch(r"aywa-(\d+)-\d+", path.name)
        if match and not Path("/proc", match[1]).exists():
            with contextlib.suppress(PeerError):
                _ip("netns", "delete", path.name)
