"""The media process: a 20 ms clock of absolute deadlines around a media host.

Runs as a child of the control plane and ends with it: when the socket to it closes, files are
completed and the process exits.
"""

import argparse
import contextlib
import gc
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Collection

from ...base.clock import SystemClock
from ...base.ids import SystemEntropy
from .. import plane
from ..load import TICK_S, LoadMeter
from . import wire
from .host import MediaHost
from .transport import KINDS, Kind

log = logging.getLogger("aywa.media")

LATE_TICKS = 5  # behind by more, the clock starts anew instead of catching up
SEND_BUFFER = 4 * 1024 * 1024
MAX_UNSENT = 64 * 1024 * 1024  # octets; a control plane this far behind is dead

READY = b"!"


class ControlLink:
    """The socket to the control plane. Never makes the tick wait."""

    def __init__(self, link: socket.socket) -> None:
        link.setblocking(False)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._socket = link
        self._unpacker = wire.Unpacker()
        self._unsent = bytearray()
        self.waited_s = 0.0
        """Time in which there was nothing to do."""

    def commands(self, seconds: float) -> list[plane.Asked] | None:
        """Wait up to `seconds` for commands; None when the other side is gone.

        Comes back early when there is room for events that did not fit.
        """
        waiting = [self._socket] if self._unsent else []
        began = time.monotonic()
        readable, _, _ = select.select([self._socket], waiting, [], max(seconds, 0.0))
        self.waited_s += time.monotonic() - began
        if not readable:
            return []
        try:
            data = self._socket.recv(1 << 20)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return list(self._unpacker.feed(data)) if data else None

    def tell(self, events: list[plane.Told]) -> bool:
        """Send events; False when the other side is gone."""
        if events:
            self._unsent += wire.pack(events)
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            return len(self._unsent) < MAX_UNSENT
        except OSError:
            return False
        return True


def run(
    link: socket.socket,
    ports: tuple[int, int],
    capacity: int,
    sockets: Kind,
    resting: Collection[int],
) -> None:
    """Serve until the control plane is gone."""
    host = MediaHost(ports, capacity, SystemClock(), SystemEntropy(), sockets, resting)
    link.sendall(READY)
    end = ControlLink(link)
    gc.collect()
    gc.freeze()
    try:
        _serve(host, end)
    finally:
        host.close()


def _serve(host: MediaHost, end: ControlLink) -> None:
    deadline = time.monotonic() + TICK_S
    meter = LoadMeter(time.monotonic())
    while True:
        # Commands are read at least once a tick: a process that is behind still hears a flush.
        wait = max(deadline - time.monotonic(), 0.0)
        while True:
            commands = end.commands(wait)
            if commands is None or not end.tell(_carried_out(host, commands)):
                return
            wait = deadline - time.monotonic()
            if wait <= 0:
                break
        began = time.monotonic()
        meter.begin(began, deadline, end.waited_s)
        if not end.tell(host.tick()):
            return
        now = time.monotonic()
        meter.end(now - began)
        if meter.due(now) and not end.tell([meter.report(now, host.streams, host.send_errors)]):
            return
        deadline += TICK_S
        if now - deadline > LATE_TICKS * TICK_S:
            meter.skip(now - deadline)
            deadline = now + TICK_S


def _carried_out(host: MediaHost, commands: list[plane.Asked]) -> list[plane.Told]:
    return [event for command in commands for event in host.command(command)]


def _raise_priority() -> str:
    """A step above everything else, where the host allows it; gives what was got."""
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        return "real-time"
    with contextlib.suppress(OSError):
        return f"nice {os.nice(-10)}"
    return "normal"


def main() -> None:
    """Entry of the child process; the arguments come from `spawn.spawn_media_process`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--ports", type=int, nargs=2, required=True)
    parser.add_argument("--capacity", type=int, required=True)
    parser.add_argument("--sockets", choices=KINDS, required=True)
    parser.add_argument("--resting", type=int, nargs="*", default=[])
    options = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    # A Ctrl-C at the terminal and a stop of the whole service reach us too: the control plane
    # decides when we end, so that calls that drain keep their sound.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    log.info("media process %d runs with %s priority", os.getpid(), _raise_priority())
    first, last = options.ports
    link = socket.socket(fileno=options.fd)
    run(link, (first, last), options.capacity, options.sockets, options.resting)
