"""The recognition worker: the program of a child process that the control process talks to.

It reads messages from a socket it inherits and answers on it, one at a time. It ends when the
other end closes, so it cannot outlive the process that started it.
"""

import json
import logging
import resource
import signal
import socket
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..protocols import Transcript
from .listener import Listener, Recognisers
from .wire import Frame, Kind, Unframer

RECEIVE_SIZE = 65_536  # bytes

log = logging.getLogger(__name__)


class Worker:
    """Answers messages; knows the streams that are open."""

    def __init__(self, recognisers: Recognisers, end_silence_s: float) -> None:
        self._recognisers, self._end_silence_s = recognisers, end_silence_s
        self._listeners: dict[int, Listener] = {}

    def handle(self, frame: Frame) -> list[Frame]:
        """What to answer; a failure ends the one stream it belongs to."""
        try:
            return self._handle(frame)
        except Exception as error:
            # Whatever a decoder raises must not end the other calls of this process.
            self._listeners.pop(frame.stream, None)
            return [_json(Kind.FAILED, frame.stream, f"{type(error).__name__}: {error}")]

    def _handle(self, frame: Frame) -> list[Frame]:
        listener = self._listeners.get(frame.stream)
        match frame.kind:
            case Kind.LOAD:
                self._recognisers.load(Path(json.loads(frame.body)))
                return [_json(Kind.READY, 0, {"memory": memory()})]
            case Kind.OPEN:
                folder = Path(json.loads(frame.body))
                self._listeners[frame.stream] = Listener(
                    folder, self._recognisers, self._end_silence_s
                )
            case Kind.AUDIO if listener:
                pcm = np.frombuffer(frame.body, "<i2").astype(np.int16)
                heard = listener.hear(pcm, frame.position)
                return [_transcript(frame.stream, transcript) for transcript in heard]
            case Kind.FINALIZE if listener:
                return [_transcript(frame.stream, listener.finalize())]
            case Kind.CLOSE if listener:
                del self._listeners[frame.stream]
                listener.close()
            case _:
                pass  # for a stream that failed or was closed meanwhile
        return []


def memory() -> int:
    """The memory this process holds, in bytes; 0 where the system does not tell."""
    try:
        resident = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return resident * resource.getpagesize()


def _transcript(stream: int, transcript: Transcript) -> Frame:
    return _json(Kind.TRANSCRIPT, stream, asdict(transcript))


def _json(kind: Kind, stream: int, value: object) -> Frame:
    return Frame(kind, stream, json.dumps(value).encode())


def run(descriptor: int, keep: int, end_silence_s: float) -> None:
    """Serve the socket until its other end closes."""
    # Ctrl-C goes to the whole process group; the control process says when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker, unframer = Worker(Recognisers(keep), end_silence_s), Unframer()
    with socket.socket(fileno=descriptor) as connection:
        try:
            while data := connection.recv(RECEIVE_SIZE):
                for frame in unframer.feed(data):
                    for answer in worker.handle(frame):
                        connection.sendall(bytes(answer))
        except (BrokenPipeError, ConnectionResetError):
            log.debug("the control process is gone")
