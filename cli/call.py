"""`aywa call`: a real SIP caller that speaks its lines and shows the conversation as it happens.

Speaks over our own user agent and media plane. What was said comes from the runtime's timeline;
how long each answer took is measured here, on the packets the caller sent and got.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ..base.clock import SystemClock
from ..base.errors import AywaError
from ..base.ids import SystemEntropy
from ..calls.leg_events import LegEnded, LegEvent, LegRefused, LegRinging, LegUp
from ..calls.sip_leg import Artifacts, Exchange, LegFailed, SipLeg
from ..calls.wire_log import WireLog
from ..codecs import wav
from ..codecs.pcm import Pcm
from ..codecs.resample import resampled
from ..media import plane
from ..media.io.spawn import spawn_media_process
from ..providers.catalog import ProviderCatalog
from ..sip import UserAgentSettings
from ..sip.events import SipEvent
from ..sip.io.endpoint import SipEndpoint
from ..sip.leg import Invitation
from ..sip.message import SipParseError, Uri
from .api import Api
from .caller_turns import Action, Answered, CallerTurns, HangUp, SpeakLine
from .transcript import Follower

RATE = 8_000
CALLER_PORTS = (28_000, 28_099)
RING_S = 60.0
GOODBYE_S = 0.3


class CallerError(AywaError):
    """The call cannot be made as it was asked for."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A line that our own voice speaks."""

    text: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A line that is a WAV file."""

    path: Path


@dataclass(frozen=True, slots=True)
class CallRequest:
    """What the command line asks for."""

    target: str
    lines: tuple[Spoken | Recording, ...]
    transport: Literal["udp", "tcp"]
    host: str | None
    folder: Path | None
    api: str | None
    key: str | None


async def call(request: CallRequest) -> int:
    """Make the call; the result is the exit status. Raises AywaError."""
    try:
        uri = Uri.parse(request.target)
    except SipParseError as error:
        raise CallerError(f"{request.target!r} is not a SIP URI: {error}") from error
    lines = await _samples(request.lines)
    host = request.host or _own_address(uri.host, uri.port or 5060)
    if request.folder:
        request.folder.mkdir(parents=True, exist_ok=True)
    async with _exchange(host) as exchange:
        follower = Follower(Api.find(request.api, request.key))
        return await _Caller().converse(exchange, request, lines, follower)


class _Caller:
    """One call out of the command line."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[LegEvent | plane.Event] = asyncio.Queue()
        self.leg: SipLeg | None = None

    async def converse(
        self, exchange: Exchange, request: CallRequest, lines: list[Pcm], follower: Follower
    ) -> int:
        leg = SipLeg(
            exchange,
            "caller",
            on_event=self._events.put_nowait,
            on_media=self._events.put_nowait,
        )
        self.leg = leg
        if request.folder:
            leg.keep(Artifacts(str(request.folder)))
        address = f"[{exchange.media_host}]" if ":" in exchange.media_host else exchange.media_host
        try:
            print(f"Calling {request.target} …", flush=True)
            caller = f"sip:caller@{address}:{exchange.endpoint.port}"
            way = Invitation(request.target, caller, b"", transport=request.transport)
            await leg.dial([way])
            headers = await self._answered()
            async with follower.following(dict(headers).get("X-Call-Id")):
                await self._talk(leg, lines)
                leg.hang_up(dialed=True)
                await asyncio.sleep(GOODBYE_S)
        except LegFailed as failure:
            print(f"The call failed: {failure}")
            return 1
        finally:
            leg.hang_up(dialed=True)
            await leg.close()
        if request.folder:
            print(f"Our own side: {request.folder}/stereo.wav, {request.folder}/call.pcap")
        return 0

    async def _answered(self) -> tuple[tuple[str, str], ...]:
        """Wait for the answer; gives its headers. Raises LegFailed."""
        while True:
            try:
                event = await asyncio.wait_for(self._events.get(), RING_S)
            except TimeoutError:
                raise LegFailed(408, f"no answer within {RING_S:.0f} s") from None
            match event:
                case LegRinging():
                    print("Ringing …", flush=True)
                case LegUp():
                    print("Connected.", flush=True)
                    return event.headers
                case LegRefused():
                    raise LegFailed(event.status, f"{event.status} {event.reason}")
                case LegEnded():
                    raise LegFailed(500, event.why)
                case plane.StreamLost():
                    raise LegFailed(503, event.reason)

    async def _talk(self, leg: SipLeg, lines: list[Pcm]) -> None:
        turns = CallerTurns(len(lines), SystemClock().monotonic())
        while True:
            event = await self._events.get()
            match event:
                case LegEnded():
                    print(f"The other side hung up ({event.why}).")
                    return
                case plane.StreamLost():
                    return
                case plane.Played():
                    turns.line_played(event.at)
                case plane.Heard():
                    for action in turns.heard(event.arrived, event.speech):
                        if isinstance(action, HangUp):
                            return
                        self._act(leg, lines, action)

    def _act(self, leg: SipLeg, lines: list[Pcm], action: Action) -> None:
        match action:
            case SpeakLine(index):
                leg.stream.play(index + 1, lines[index])
                leg.stream.end_play(index + 1)
            case Answered(_, latency_s):
                print(f"            ({latency_s * 1000:.0f} ms until the answer)", flush=True)


@contextlib.asynccontextmanager
async def _exchange(host: str) -> AsyncIterator[Exchange]:
    clock, entropy, wire = SystemClock(), SystemEntropy(), WireLog()
    told: list[Callable[[SipEvent], None]] = []
    media = await spawn_media_process(
        ports=CALLER_PORTS, capacity=1, on_fault=lambda why: print(f"aywa: {why}")
    )
    try:
        endpoint = await SipEndpoint.start(
            host,
            0,
            on_event=lambda event: told[0](event),
            on_wire=wire.write,
            settings=UserAgentSettings(host=host, product="Aywa caller"),
            clock=clock,
            entropy=entropy,
        )
        try:
            exchange = Exchange(endpoint, media, wire, entropy, host, host)
            told.append(exchange.on_sip)
            yield exchange
        finally:
            await endpoint.close()
    finally:
        await media.close()


async def _samples(lines: tuple[Spoken | Recording, ...]) -> list[Pcm]:
    """The lines as 8 kHz samples. Raises CallerError."""
    catalog = ProviderCatalog(stt_enabled=False, tts_enabled=True)
    await catalog.start()
    try:
        tts = catalog.providers({}).tts
        samples = []
        for line in lines:
            if isinstance(line, Recording):
                samples.append(_clip(line.path))
            elif tts is None:
                raise CallerError("There is no speech synthesis here: use --wav instead of --say.")
            else:
                chunks = [chunk.pcm async for chunk in tts.speak(line.text)]
                samples.append(np.concatenate(chunks) if chunks else np.zeros(0, np.int16))
        return samples
    finally:
        await catalog.close()


def _clip(path: Path) -> Pcm:
    try:
        clip = wav.read(path)
    except (OSError, wav.WavError) as error:
        raise CallerError(f"{path} cannot be played: {error}") from error
    return resampled(clip.mono(), clip.rate, RATE)


def _own_address(host: str, port: int) -> str:
    """Our address on the way to `host`; no packet is sent."""
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((host, port))
            return str(probe.getsockname()[0])
    except OSError as error:
        raise CallerError(f"{host} cannot be reached: {error}") from error
