"""The media host: engine, sockets and files of one process, without a clock of its own.

Whoever owns the clock calls `tick` every 20 ms and `command` whenever one comes.
"""

from collections.abc import Collection, Iterable

from ...base.clock import Clock
from ...base.ids import Entropy
from .. import plane
from ..dtls import Certificate
from ..engine import Engine, Output
from ..streams import TableFull
from .pairs import NoPort
from .ports import PortPairs
from .transport import Kind, open_sockets
from .writer import Artifact, ArtifactWriter, FilesClosed


class MediaHost:
    """Streams of one process, from port to file."""

    def __init__(
        self,
        ports: tuple[int, int],
        capacity: int,
        clock: Clock,
        entropy: Entropy,
        sockets: Kind = "auto",
        resting: Collection[int] = (),
    ) -> None:
        """`ports` is the range of UDP ports, both ends included; `resting` are used last."""
        self._clock = clock
        certificate = Certificate.fresh(clock.wall())
        self._engine = Engine(capacity=capacity, entropy=entropy, certificate=certificate)
        pairs = PortPairs(*ports)
        pairs.rest(resting, clock.monotonic())
        self._sockets = open_sockets(pairs, self._engine.book, sockets)
        self._writer = ArtifactWriter()
        self._closing: dict[str, plane.Closed] = {}

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._engine.table.streams)

    @property
    def send_errors(self) -> int:
        """Packets that the network did not take."""
        return self._sockets.send_errors

    def command(self, command: plane.Asked) -> list[plane.Told]:
        """Carry out a command at once."""
        if isinstance(command, plane.PlayBatch):
            self._engine.play(command)
            return []
        now = self._clock.monotonic()
        if isinstance(command, plane.OpenStream):
            return [self._open(command, now)]
        row = self._engine.table.streams.get(command.stream)
        output = self._engine.handle(command, now, self._clock.wall())
        events = self._put_out(output)
        if isinstance(command, plane.CloseStream) and row is not None:
            self._sockets.release(row, now)
            self._writer.finish(command.stream)
        return events

    def tick(self) -> list[plane.Told]:
        """One 20 ms step."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        output = self._engine.tick(now, wall, self._sockets.receive(wall))
        return [*self._put_out(output), *self._files_told()]

    def close(self) -> None:
        """Complete every file and close every socket."""
        for stream in list(self._engine.table.streams):
            self.command(plane.CloseStream(stream))
        self._writer.close()
        self._sockets.close()

    def _open(self, command: plane.OpenStream, now: float) -> plane.Event:
        try:
            pair = self._sockets.bind(command.host, now)
        except NoPort as error:
            return plane.OpenFailed(command.stream, str(error))
        try:
            row = self._engine.open(command, pair.port, now)
        except TableFull as error:
            self._sockets.discard(pair, now)
            return plane.OpenFailed(command.stream, str(error))
        self._sockets.adopt(row, pair)
        if command.folder:
            wanted: Iterable[tuple[Artifact, bool]] = (
                ("recording", command.record),
                ("pcap", command.capture),
            )
            for artifact, want in wanted:
                if want:
                    self._writer.open(command.stream, artifact, command.folder)
        return plane.Opened(command.stream, pair.port, self._engine.fingerprint)

    def _put_out(self, output: Output) -> list[plane.Told]:
        for packets in output.packets:
            self._sockets.send(packets)
        self._writer.append(output.blocks)
        events: list[plane.Told] = []
        for event in output.events:
            if isinstance(event, plane.Closed):  # told when its files are complete
                self._closing[event.stream] = event
            else:
                events.append(event)
        return events

    def _files_told(self) -> list[plane.Event]:
        events: list[plane.Event] = []
        while self._writer.reports:
            report = self._writer.reports.popleft()
            if not isinstance(report, FilesClosed):
                events.append(report)
            elif closed := self._closing.pop(report.stream, None):
                events.append(closed)
        return events
