"""Offer and answer (RFC 3264) for one audio stream with telephone events.

Our side of a session, with its running version. What was agreed comes out as `Negotiated`, which is
just what the media plane wants to know.
"""

from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Literal

from ...base.ids import Entropy, SystemEntropy
from .crypto import Sdes
from .description import (
    MAX_PORT,
    Attributes,
    MediaDescription,
    SessionDescription,
    whole_number,
)
from .security import Dtls, Fingerprint, Keying, NotAcceptable, Securing, Security

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
Codec = Literal["pcmu", "pcma", "g722", "opus"]

EVENT_CLOCK = 8_000
EVENT_PAYLOAD_TYPE = 101  # ours in offers; any dynamic number would do
COMFORT_NOISE = 13  # static (RFC 3551 table 4)
PTIME_MS = 20
MIN_PTIME_MS, MAX_PTIME_MS = 10, 200  # what is believed of a peer

MAX_PAYLOAD_TYPE = 127


@dataclass(frozen=True, slots=True)
class _Format:
    """How a codec stands in a session description."""

    codec: Codec
    payload_type: int
    encoding: str
    """`NAME/RATE`, upper case, with the channels if there is more than one."""

    @property
    def clock(self) -> int:
        return int(self.encoding.split("/")[1])


FORMATS: dict[Codec, _Format] = {
    "pcmu": _Format("pcmu", 0, "PCMU/8000"),
    "pcma": _Format("pcma", 8, "PCMA/8000"),
    "g722": _Format("g722", 9, "G722/8000"),
    "opus": _Format("opus", 107, "OPUS/48000/2"),
}
_STATIC = {
    "0": "PCMU/8000", "8": "PCMA/8000", "3": "GSM/8000", "4": "G723/8000", "9": "G722/8000",
    "13": "CN/8000", "18": "G729/8000",
}  # fmt: skip
_OURS: dict[Direction, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}
"""Our direction as the mirror of the peer's (RFC 3264 §6.1)."""
_WITHOUT_RECEIVING: dict[Direction, Direction] = {
    "sendrecv": "sendonly",
    "recvonly": "inactive",
    "sendonly": "sendonly",
    "inactive": "inactive",
}


@dataclass(frozen=True, slots=True)
class MediaPolicy:
    """What a leg may agree to."""

    codecs: tuple[Codec, ...] = ("pcmu", "pcma")
    """In our order of preference, which offers show."""
    security: Security = "off"
    keying: Keying = "sdes"
    ptime_ms: int = PTIME_MS
    """Packet time that we ask for."""
    prefer_ours: bool = False
    """Answer with our first codec that the peer offers, instead of the peer's first."""
    comfort_noise: bool = False
    """Offer and take comfort noise (RFC 3389), so that silence costs little."""


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What an offer and its answer agreed on. `direction` is ours."""

    remote_host: str
    remote_port: int
    remote_rtcp_port: int
    codec: Codec
    payload_type: int
    event_payload_type: int | None
    direction: Direction
    ptime_ms: int = PTIME_MS
    """The packet time that the peer asks for."""
    event_clock_rate: int = EVENT_CLOCK
    security: Sdes | Dtls | None = None
    rtcp_mux: bool = False
    """RTCP goes between the RTP ports (RFC 5761)."""
    comfort_noise_payload_type: int | None = None


class Session:
    """Our side of one session: makes offers and answers, and reads the peer's.

    The version rises only with a change (RFC 3264 §8), and what has once been an m-line stays one,
    in its place: a new offer declines again what the peer had offered besides audio.
    """

    def __init__(
        self,
        host: str,
        port: int,
        session_id: int,
        policy: MediaPolicy | None = None,
        entropy: Entropy | None = None,
        *,
        fingerprint: Fingerprint | None = None,
    ) -> None:
        """RTP is received on `host`:`port`, RTCP on the port above.

        `fingerprint` is of the certificate that the media plane shows in a DTLS handshake.
        """
        self._host = host
        self._port = port
        self._policy = policy or MediaPolicy()
        self._securing = Securing(
            self._policy.security,
            self._policy.keying,
            fingerprint,
            session_id,
            entropy or SystemEntropy(),
        )
        self._described = SessionDescription(host, session_id, 0, (), host)
        self._place = 0  # of the audio among the m-lines
        self._mux = self._securing.by_dtls
        """Offered, or agreed on: RTCP on the RTP port."""
        self._formats = tuple(FORMATS[codec] for codec in self._policy.codecs)
        self._event_payload_type = EVENT_PAYLOAD_TYPE
        self._direction: Direction = "sendrecv"

    def offer(self, direction: Direction = "sendrecv") -> bytes:
        """An offer of all our codecs, the agreed one first, and telephone events."""
        self._direction = direction
        noise = COMFORT_NOISE if self._policy.comfort_noise else None
        ours = self._audio(
            self._formats, (self._event_payload_type, noise), direction, self._securing.offered()
        )
        media = [_declined(m) for m in self._described.media] or [ours]
        media[self._place] = ours
        return self._describe(media)

    def answer(self, body: bytes) -> tuple[bytes, Negotiated]:
        """The answer to the peer's offer. Raises SdpError, NotAcceptable."""
        offer = SessionDescription.parse(body)
        place = next((i for i, m in enumerate(offer.media) if self._usable(offer, m)), None)
        if place is None:
            raise NotAcceptable(self._why_not(offer))
        audio = offer.media[place]
        agreed = self._negotiate(offer, audio, answering=True)
        secured, security = self._securing.answer(offer, audio)
        agreed = replace(agreed, security=security)
        self._keep(agreed, place)
        self._direction = agreed.direction
        beside = (agreed.event_payload_type, agreed.comfort_noise_payload_type)
        answered = self._audio(self._formats[:1], beside, agreed.direction, secured)
        media = [_declined(m) for m in offer.media]
        media[place] = answered
        return self._describe(media), agreed

    def accept(self, body: bytes) -> Negotiated:
        """What the peer's answer to our last offer means. Raises SdpError, NotAcceptable."""
        answer = SessionDescription.parse(body)
        audio = answer.media[self._place] if self._place < len(answer.media) else None
        if (
            audio is None
            or not self._usable(answer, audio)
            or audio.protocol != self._securing.protocol
        ):
            raise NotAcceptable(self._why_not(answer))
        agreed = self._negotiate(answer, audio, answering=False)
        agreed = replace(agreed, security=self._securing.accept(answer, audio))
        self._keep(agreed, self._place)
        return replace(agreed, direction=_both(agreed.direction, self._direction))

    def _keep(self, agreed: Negotiated, place: int) -> None:
        """A later offer gives the same numbers the same meaning (RFC 3264 §8.3.2)."""
        first = replace(FORMATS[agreed.codec], payload_type=agreed.payload_type)
        others = [
            one
            for one in (FORMATS[codec] for codec in self._policy.codecs)
            if one.codec != first.codec and one.payload_type != first.payload_type
        ]
        self._formats = (first, *others)
        self._place, self._mux = place, agreed.rtcp_mux
        if agreed.event_payload_type is not None:
            self._event_payload_type = agreed.event_payload_type
        elif self._event_payload_type == agreed.payload_type:
            self._event_payload_type = next(
                number for number in range(96, 128) if number != agreed.payload_type
            )

    def _describe(self, media: list[MediaDescription]) -> bytes:
        if tuple(media) != self._described.media:
            version = self._described.version + 1
            self._described = replace(self._described, version=version, media=tuple(media))
        return bytes(self._described)

    def _audio(
        self,
        formats: tuple[_Format, ...],
        beside: tuple[int | None, int | None],
        direction: Direction,
        secured: Attributes,
    ) -> MediaDescription:
        """Our m-line; `beside` are the payload types of telephone events and comfort noise."""
        event_payload_type, noise = beside
        numbers = [str(one.payload_type) for one in formats]
        attributes = [("rtpmap", f"{one.payload_type} {one.encoding}") for one in formats]
        if noise is not None:
            numbers.append(str(noise))
            attributes.append(("rtpmap", f"{noise} CN/8000"))
        if event_payload_type is not None:
            numbers.append(str(event_payload_type))
            attributes += [
                ("rtpmap", f"{event_payload_type} telephone-event/{formats[0].clock}"),
                ("fmtp", f"{event_payload_type} 0-16"),
            ]
        attributes += secured
        control = [("rtcp-mux", ""), ("rtcp", str(self._port))]
        attributes += [
            ("ptime", str(self._policy.ptime_ms)),
            *(control if self._mux else [("rtcp", str(self._port + 1))]),
            (direction, ""),
        ]
        kind = ("audio", self._port, self._securing.protocol)
        return MediaDescription(*kind, tuple(numbers), None, tuple(attributes))

    # What the peer describes ------------------------------------------------------------------

    def _usable(self, session: SessionDescription, media: MediaDescription) -> bool:
        return (
            media.kind == "audio"
            and media.port != 0
            and self._securing.permits(session, media)
            and any(self._codec(name) for _, name in _codecs(media))
        )

    def _codec(self, encoding: str) -> Codec | None:
        return next((c for c in self._policy.codecs if FORMATS[c].encoding == encoding), None)

    def _negotiate(
        self, session: SessionDescription, media: MediaDescription, *, answering: bool
    ) -> Negotiated:
        codecs = _codecs(media)
        taken = [(number, codec) for number, name in codecs if (codec := self._codec(name))]
        if answering and self._policy.prefer_ours:
            taken.sort(key=lambda one: self._policy.codecs.index(one[1]))
        payload_type, codec = taken[0]
        events = [
            (number, clock)
            for clock in (FORMATS[codec].clock, EVENT_CLOCK)
            for number, name in codecs
            if name == f"TELEPHONE-EVENT/{clock}"
        ]
        event, event_clock = events[0] if events else (None, EVENT_CLOCK)
        host, held = _media_address(session, media, self._host)
        direction = _direction(session, media)
        mux = media.attribute("rtcp-mux") is not None and (answering or self._mux)
        if held:
            direction = _WITHOUT_RECEIVING[direction]
        return Negotiated(
            remote_host=host,
            remote_port=media.port,
            remote_rtcp_port=media.port if mux else _rtcp_port(media),
            rtcp_mux=mux,
            codec=codec,
            payload_type=payload_type,
            event_payload_type=event,
            event_clock_rate=event_clock,
            direction=_OURS[direction],
            ptime_ms=_ptime(media),
            comfort_noise_payload_type=self._comfort_noise(codec, codecs),
        )

    def _comfort_noise(self, codec: Codec, codecs: list[tuple[int, str]]) -> int | None:
        if not self._policy.comfort_noise or FORMATS[codec].clock != 8_000:
            return None
        return next((number for number, name in codecs if name == "CN/8000"), None)

    def _why_not(self, description: SessionDescription) -> str:
        """A sentence for the operator: what came, what we take."""
        audio = [media for media in description.media if media.kind == "audio" and media.port]
        if not audio:
            kinds = _listed([f"{m.kind} on port {m.port}" for m in description.media])
            return f"there is no audio: the session description has {kinds or 'no media'}"
        fitting = [media for media in audio if self._securing.permits(description, media)]
        if not fitting:
            wanted = self._securing.wanted()
            return f"the audio is {audio[0].protocol[:20]}; this call takes {wanted}"
        names = _listed([_without_clock(name) for _, name in _codecs(fitting[0])])
        ours = ", ".join(_without_clock(FORMATS[codec].encoding) for codec in self._policy.codecs)
        return f"no codec in common: the audio has {names or 'no format'}; this call takes {ours}"


def _codecs(media: MediaDescription) -> list[tuple[int, str]]:
    """Payload type and encoding of each format, in the peer's order. What is none is left out."""
    names = dict(_STATIC)
    for key, value in media.attributes:
        if key == "rtpmap" and value:
            number, *encoding = value.split()
            name = (encoding or [""])[0].upper()
            names[number] = name.removesuffix("/1")
    return [
        (payload_type, names.get(text, f"payload type {text}"))
        for text in media.formats
        if (payload_type := whole_number(text, MAX_PAYLOAD_TYPE)) is not None
    ]


def _without_clock(encoding: str) -> str:
    """`PCMU` for `PCMU/8000`, but `L16/16000` as it is."""
    return encoding.removesuffix("/8000")


def _media_address(
    session: SessionDescription, media: MediaDescription, our_host: str
) -> tuple[str, bool]:
    """Where the peer receives, and whether that is the 0.0.0.0 of an old-style hold."""
    text = media.address or session.address
    if text is None:
        raise NotAcceptable("the session description names no address: it has no c= line")
    try:
        address = ip_address(text)
    except ValueError:
        raise NotAcceptable(f"the media address {text!r} is not an IP address") from None
    if address.version != ip_address(our_host).version:
        raise NotAcceptable(
            f"the media address is IPv{address.version}; this runtime listens on {our_host}"
        )
    if address.is_multicast:
        raise NotAcceptable(f"the media address {text} is multicast; this runtime takes calls")
    return text, address.is_unspecified


def _direction(session: SessionDescription, media: MediaDescription) -> Direction:
    for attributes in (media.attributes, session.attributes):
        for name, _ in attributes:
            if name in _OURS:
                return name
    return "sendrecv"


def _both(one: Direction, other: Direction) -> Direction:
    """What two limits leave."""
    sends = {"sendrecv", "sendonly"}
    receives = {"sendrecv", "recvonly"}
    send, receive = one in sends and other in sends, one in receives and other in receives
    if send:
        return "sendrecv" if receive else "sendonly"
    return "recvonly" if receive else "inactive"


def _rtcp_port(media: MediaDescription) -> int:
    """RFC 3605; without the attribute it is the next port."""
    text = (media.attribute("rtcp") or "").partition(" ")[0]
    return whole_number(text, MAX_PORT) or min(media.port + 1, MAX_PORT)


def _ptime(media: MediaDescription) -> int:
    milliseconds = whole_number(media.attribute("ptime") or "", MAX_PTIME_MS)
    return milliseconds if milliseconds and milliseconds >= MIN_PTIME_MS else PTIME_MS


def _declined(media: MediaDescription) -> MediaDescription:
    return replace(media, port=0, address=None, attributes=())


def _listed(words: list[str]) -> str:
    """A peer's words for an operator's line, cut short."""
    more = ", …" if len(words) > 8 else ""
    return ", ".join(word[:24] for word in words[:8]) + more
