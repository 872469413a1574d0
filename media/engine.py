"""The media engine: one 20 ms tick for all streams at once.

Sans-IO: commands and received datagrams go in, datagrams to send, events and bytes to be written to
files come out. Sockets, files and the clock belong to the shells in `media/io`. Within a tick:
everything received is captured and heard, then one packet is made for each stream that may send.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..base.ids import Entropy
from . import plane
from .bridges import MOST
from .capture import Capture
from .datagrams import NO_ADDRESS, AddressBook, Datagrams, Received
from .dtls import Certificate, Dtls
from .hearing import Hearing
from .intake import Line, rounds
from .peers import Peers
from .quality import Reception, StreamReport, Tally
from .recorder import Recorder
from .reports import Reports
from .rtp import RtpError
from .rtp.columns import is_rtcp
from .speaking import Packets, Speaking
from .srtp import Srtp
from .streams import Columns, Rows, StreamTable, TableFull, column

_NOWHERE = {"0.0.0.0", "::"}  # noqa: S104 - nothing is bound here
_SENDS = {"sendrecv", "sendonly"}


class Session(Columns):
    """What offer and answer settled, beyond addresses and formats."""

    local: NDArray[np.int64] = column(np.int64)
    configured: NDArray[np.bool_] = column(np.bool_)
    sends: NDArray[np.bool_] = column(np.bool_)
    expects: NDArray[np.bool_] = column(np.bool_)
    """Nobody holds: packets of the peer are due."""
    mux: NDArray[np.bool_] = column(np.bool_)
    """RTCP goes from the RTP port."""
    reports: NDArray[np.bool_] = column(np.bool_)
    """RTCP goes at all."""
    media_timeout_s: NDArray[np.float64] = column(np.float64)
    end_after_s: NDArray[np.float64] = column(np.float64)
    silent: NDArray[np.int64] = column(np.int64)
    """How often MediaSilent was told of this silence: at the timeout, and at the end."""


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes to be appended to one file of a stream."""

    stream: str
    artifact: Literal["recording", "pcap"]
    data: bytes


@dataclass(slots=True)
class Output:
    """What a tick or a command gave rise to."""

    packets: list[Datagrams] = field(default_factory=list)
    events: list[plane.Told] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


class Engine:
    """All streams of one media process."""

    def __init__(self, *, capacity: int, entropy: Entropy, certificate: Certificate) -> None:
        self.fingerprint = certificate.fingerprint
        self.book = AddressBook()
        self._entropy = entropy
        self._session = Session()
        self._peers = Peers()
        self._reception = Reception()
        self._tally = Tally()
        self._speaking = Speaking()
        self._sender = self._speaking.sender
        self._reports = Reports(self._reception, self._tally, self._sender, entropy)
        self._srtp = Srtp()
        self._dtls = Dtls(certificate, self._srtp)
        self._recorder = Recorder()
        self._capture = Capture(self.book)
        members: list[Columns] = [self._session, self._peers, self._reception, self._tally]
        members.append(self._reception.bursts)
        members += [
            *self._speaking.members(),
            self._reports,
            self._recorder,
            self._capture,
            self._srtp,
            self._dtls,
        ]
        self.table = StreamTable(members, capacity=capacity)
        line = Line(self.book, self._peers, self._reception, self._tally)
        self._hearing = Hearing(self.table, line, self._recorder, self._speaking.bridges)
        for columns in self._hearing.members():
            self.table.join(columns)

    def open(self, command: plane.OpenStream, port: int, now: float) -> int:
        """Give a stream its row; gives the row. Raises TableFull."""
        row = self.table.open(command.stream, now)
        self._session.local[row] = self.book.number(command.host, port)
        self._session.media_timeout_s[row] = command.media_timeout_s
        end = command.end_after_s
        self._session.end_after_s[row] = np.inf if end is None else end
        self._speaking.open(row, self._entropy)
        self._reports.open(row, now)
        self._hearing.formats.packet_at[row] = now
        if command.folder and command.record:
            self._recorder.open(row, now)
        if command.folder and command.capture:
            self._capture.open(row, now)
        return row

    def handle(self, command: plane.Command, now: float, wall: float) -> Output:
        """Carry out a command on an open stream; one on an unknown stream is ignored."""
        output = Output()
        row = self.table.streams.get(command.stream)
        if row is None:
            return output
        match command:
            case plane.ConfigureStream():
                self._configure(row, command, now)
            case plane.CaptureSip():
                self._capture.sip(row, command)
            case plane.CloseStream():
                self._close(row, command.stream, now, wall, output)
            case (
                plane.Bridge()
                | plane.LeaveBridge()
                | plane.Tap()
                | plane.Record()
                | plane.ListenForTones()
            ):
                output.events += self._arrange(row, command, now)
            case plane.Measure():
                report = self._stream_report(row)
                output.events.append(plane.Measured(command.stream, now, report))
            case _:
                output.events += self._speaking.handle(row, command, now)
        return output

    def play(self, batch: plane.PlayBatch) -> None:
        """Append to what many streams will send; streams that are gone are left out."""
        rows = np.array([self.table.streams.get(stream, -1) for stream in batch.streams])
        pieces = np.split(batch.pcm, np.cumsum(batch.samples)[:-1])
        known = np.flatnonzero(rows >= 0)
        pieces = [pieces[one] for one in known.tolist()]
        self._speaking.playout.play_many(rows[known], batch.generation[known], pieces)

    def _arrange(
        self,
        row: int,
        command: plane.Bridge | plane.LeaveBridge | plane.Tap | plane.Record | plane.ListenForTones,
        now: float,
    ) -> list[plane.Event]:
        """Carry out a command about where sound goes."""
        match command:
            case plane.Bridge():
                return [self._bridge(row, command, now)]
            case plane.LeaveBridge():
                self._speaking.bridges.leave(row)
            case plane.Tap():
                self._hearing.formats.tapped[row] = command.on
            case plane.Record():
                self._recorder.muted[row] = not command.on
            case plane.ListenForTones():
                self._hearing.progress_tones.switch(row, on=command.on)
        return []

    def _bridge(self, row: int, command: plane.Bridge, now: float) -> plane.Event:
        streams = self.table.streams
        strange = [name for name in command.others if name not in streams]
        if strange:
            reason = f"{strange[0]!r} is no stream of this media process"
        elif not self._speaking.bridges.join([row, *(streams[name] for name in command.others)]):
            reason = f"a bridge is of 2 to {MOST} streams, not of these {len(command.others) + 1}"
        else:
            return plane.Bridged(command.stream, now, command.others)
        return plane.BridgeFailed(command.stream, now, reason)

    def tick(self, now: float, wall: float, received: Received) -> Output:
        """One 20 ms step; `now` is monotonic seconds, `wall` epoch seconds."""
        output = Output()
        rows = self.table.rows
        received = self._srtp.opened(self._dtls.taken(received, self._session.configured, now))
        self._recorder.tick(rows, now)
        output.blocks += [
            Block(self.table.names[row], "recording", data)
            for row, data in self._recorder.blocks(rows)
        ]
        output.events += self._receive(received, now, wall)
        output.events += self._hearing.hear(rows, now)
        self._send(rows, now, wall, output)
        self._report(rows, now, wall, output)
        output.events += self._silences(rows, now)
        self._write(rows, now, output)
        handshakes, events = self._dtls.tick(self.table.names, now)
        output.packets = handshakes + self._srtp.sealed(output.packets)
        output.events += events
        return output

    def _configure(self, row: int, command: plane.ConfigureStream, now: float) -> None:
        if command.remote_host not in _NOWHERE:  # an old-style hold keeps the peer's address
            remote = self.book.number(command.remote_host, command.remote_port)
            control = self.book.number(command.remote_host, command.remote_rtcp_port)
            self._peers.describe(row, remote, control)
        self._dtls.configure(row, command, int(self._peers.remote[row]), now)
        self._session.mux[row] = command.rtcp_mux
        self._session.reports[row] = command.rtcp_mux or command.dtls is None
        self._hearing.configure(row, command)
        self._speaking.configure(row, command)
        expects = command.direction == "sendrecv"
        if not self._session.configured[row] or (expects and not self._session.expects[row]):
            self._hearing.formats.packet_at[row] = now
        self._session.expects[row] = expects
        self._session.configured[row] = True
        self._session.sends[row] = command.direction in _SENDS

    def _receive(self, received: Received, now: float, wall: float) -> list[plane.Event]:
        if not len(received):
            return []
        received = received.narrowed()
        self._keep_capture(received)
        control = received.control | is_rtcp(received.data)
        if control.any():
            for one in np.flatnonzero(control).tolist():
                self._receive_control(received, one, now, wall)
            received = received.select(np.flatnonzero(~control))
        return self._hearing.receive(received, now, wall - now)

    def _keep_capture(self, received: Received) -> None:
        captured = np.flatnonzero(self._capture.enabled[received.row])
        if not len(captured):
            return
        for rows, index in rounds(received.row, captured):
            self._capture.packets(
                rows,
                received.stamp[index],
                received.source[index],
                self._session.local[rows] + received.control[index],
                received.data[index],
                received.length[index],
            )

    def _receive_control(self, received: Received, index: int, now: float, wall: float) -> None:
        row = int(received.row[index])
        if not self._peers.learn_control(row, int(received.source[index])):
            self._tally.strangers[row] += 1
            return
        try:
            data = received.data[index, : received.length[index]].tobytes()
            came = float(received.stamp[index])  # what the round trip is measured to
            self._reports.receive(row, data, came - wall + now, came)
        except RtpError:
            self._tally.malformed[row] += 1

    def _send(self, rows: Rows, now: float, wall: float, output: Output) -> None:
        session = self._session
        able = session.configured[rows] & session.sends[rows]
        able &= (self._peers.remote[rows] != NO_ADDRESS) & ~self._dtls.awaiting[rows]
        self._sender.advance(rows)
        rows = rows[able]
        if not len(rows):
            return
        spoken = self._speaking.speak(self.table, rows, now)
        output.events += spoken.events
        self._recorder.sent(spoken.rows, spoken.pcm, spoken.active)
        for packets in spoken.packets:
            self._send_packets(packets, wall, output)

    def _send_packets(self, packets: Packets, wall: float, output: Output) -> None:
        rows, data, length = packets.rows, packets.data, packets.length
        remote = self._peers.remote[rows]
        if self._capture.enabled[rows].any():
            local, at = self._session.local[rows], np.full(len(rows), wall)
            self._capture.packets(rows, at, local, remote, data, length)
        output.packets.append(Datagrams(data, length, rows, remote, control=False))

    def _report(self, rows: Rows, now: float, wall: float, output: Output) -> None:
        due = self._reports.due(rows, now)
        able = self._session.configured[due] & self._session.reports[due]
        for row in due[able & ~self._dtls.awaiting[due]].tolist():
            self._send_report(row, self._reports.report(row, now, wall), wall, output)

    def _send_report(self, row: int, packet: bytes, wall: float, output: Output) -> None:
        destination = self._peers.remote_control[row : row + 1].copy()
        if destination[0] == NO_ADDRESS:
            return
        data = np.frombuffer(packet, np.uint8)[None, :]
        rows, length = np.array([row]), np.array([len(packet)])
        mux = bool(self._session.mux[row])
        if self._capture.enabled[row]:
            local = self._session.local[rows] + (not mux)
            self._capture.packets(rows, np.array([wall]), local, destination, data, length)
        output.packets.append(Datagrams(data, length, rows, destination, control=not mux))

    def _silences(self, rows: Rows, now: float) -> list[plane.Event]:
        session = self._session
        quiet = now - self._hearing.formats.packet_at[rows]
        over = (quiet >= session.media_timeout_s[rows]).astype(np.int64)
        over += quiet >= session.end_after_s[rows]
        over *= session.expects[rows]
        told = np.flatnonzero(over > session.silent[rows])
        session.silent[rows] = over
        return [
            plane.MediaSilent(
                self.table.names[int(rows[one])],
                now,
                float(quiet[one]),
                final=bool(quiet[one] >= session.end_after_s[rows[one]]),
            )
            for one in told.tolist()
        ]

    def _write(self, rows: Rows, now: float, output: Output) -> None:
        for row in self._capture.due(rows, now).tolist():
            data = self._capture.block(row, now)
            output.blocks.append(Block(self.table.names[row], "pcap", data))

    def _close(self, row: int, stream: str, now: float, wall: float, output: Output) -> None:
        self._reception.settle(row)
        if self._session.reports[row] and not self._dtls.awaiting[row]:
            goodbye = self._reports.report(row, now, wall, goodbye=True)
            self._send_report(row, goodbye, wall, output)
            output.packets = self._srtp.sealed(output.packets)
        self._dtls.close(row)
        self._srtp.close(row)
        recording = self._recorder.rest(row)
        capture = self._capture.block(row, now)
        output.blocks += [Block(stream, "recording", recording), Block(stream, "pcap", capture)]
        output.events.append(plane.Closed(stream, self._stream_report(row)))
        self._hearing.close(row)
        self._speaking.close(row)
        self.table.close(stream)

    def _stream_report(self, row: int) -> StreamReport:
        tally, reception = self._tally, self._reception
        heard = self._reports.quality(row)
        way = float(self._reports.round_trip_s[row])
        return StreamReport(
            packets_received=int(reception.received[row]),
            packets_sent=int(self._sender.packets[row]),
            lost=reception.lost(row),
            late=int(tally.late[row]),
            duplicates=int(reception.duplicates[row]),
            concealed=int(tally.concealed[row]),
            malformed=int(tally.malformed[row]),
            strangers=int(tally.strangers[row]),
            unauthentic=int(self._srtp.rejected[row]),
            wrong_payload_type=int(tally.wrong_payload_type[row]),
            comfort_noise=int(tally.comfort_noise[row]),
            drift_ppm=self._drift(row),
            underruns=int(self._speaking.bridges.playout.underruns[row]),
            held_ms=self._speaking.bridges.held_ms(row),
            **heard,
            jitter_ms=round(float(reception.jitter[row]) / 8, 2),
            round_trip_ms=None if np.isnan(way) else round(way * 1000, 2),
        )

    def _drift(self, row: int) -> float | None:
        ppm = self._hearing.drift.ppm(row)
        return None if ppm is None else round(ppm, 1)


__all__ = ["Block", "Engine", "Output", "TableFull"]
