"""Offer and answer (RFC 3264) for one G.711 audio stream with telephone events.

Our side of a session, with its running version. What was agreed comes out as `Negotiated`, which is
just what the media plane wants to know.
"""

from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Literal

from ...base.errors import AywaError
from ...codecs.g711 import PAYLOAD_TYPE, Law
from .description import MediaDescription, SessionDescription

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

EVENT_PAYLOAD_TYPE = 101  # ours in offers; any dynamic number would do
PTIME_MS = 20
CLOCK_RATE = 8_000

_PROTOCOLS = ("RTP/AVP", "RTP/AVPF")
_LAWS: dict[str, Law] = {"PCMU": "pcmu", "PCMA": "pcma"}
_STATIC = {"0": "PCMU", "8": "PCMA", "3": "GSM", "4": "G723", "9": "G722", "13": "CN", "18": "G729"}
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


class NotAcceptable(AywaError):
    """There is no common ground; the message says what the peer offers and what we take."""


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What an offer and its answer agreed on. `direction` is ours."""

    remote_host: str
    remote_port: int
    remote_rtcp_port: int
    law: Law
    payload_type: int
    event_payload_type: int | None
    direction: Direction
    ptime_ms: int = PTIME_MS
    """The packet time that the peer asks for."""


class Session:
    """Our side of one session: makes offers and answers, and reads the peer's."""

    def __init__(self, host: str, port: int, session_id: int) -> None:
        """RTP is received on `host`:`port`, RTCP on the port above."""
        self._host = host
        self._port = port
        self._session_id = session_id
        self._version = 0
        self._direction: Direction = "sendrecv"

    def offer(self, direction: Direction = "sendrecv") -> bytes:
        """An offer of both laws and telephone events."""
        self._direction = direction
        laws = [(str(number), law.upper()) for law, number in PAYLOAD_TYPE.items()]
        return self._describe([self._audio("RTP/AVP", laws, EVENT_PAYLOAD_TYPE, direction)])

    def answer(self, body: bytes) -> tuple[bytes, Negotiated]:
        """The answer to the peer's offer. Raises SdpError, NotAcceptable."""
        offer = SessionDescription.parse(body)
        chosen = next((m for m in offer.media if _usable(m)), None)
        if chosen is None:
            raise NotAcceptable(_why_not(offer))
        agreed = _negotiate(offer, chosen, self._host)
        self._direction = agreed.direction
        format_ = (str(agreed.payload_type), agreed.law.upper())
        ours = self._audio(chosen.protocol, [format_], agreed.event_payload_type, agreed.direction)
        media = [ours if m is chosen else _declined(m) for m in offer.media]
        return self._describe(media), agreed

    def accept(self, body: bytes) -> Negotiated:
        """What the peer's answer to our last offer means. Raises SdpError, NotAcceptable."""
        answer = SessionDescription.parse(body)
        if not answer.media or not _usable(answer.media[0]):
            raise NotAcceptable(_why_not(answer))
        agreed = _negotiate(answer, answer.media[0], self._host)
        if self._direction != "sendrecv":
            agreed = replace(agreed, direction=_both(agreed.direction, self._direction))
        return agreed

    def _describe(self, media: list[MediaDescription]) -> bytes:
        self._version += 1
        description = SessionDescription(
            origin_address=self._host,
            session_id=self._session_id,
            version=self._version,
            media=tuple(media),
            address=self._host,
        )
        return bytes(description)

    def _audio(
        self,
        protocol: str,
        laws: list[tuple[str, str]],
        event_payload_type: int | None,
        direction: Direction,
    ) -> MediaDescription:
        formats = [*laws]
        attributes = [("rtpmap", f"{number} {name}/{CLOCK_RATE}") for number, name in laws]
        if event_payload_type is not None:
            formats.append((str(event_payload_type), "telephone-event"))
            attributes += [
                ("rtpmap", f"{event_payload_type} telephone-event/{CLOCK_RATE}"),
                ("fmtp", f"{event_payload_type} 0-16"),
            ]
        attributes += [
            ("ptime", str(PTIME_MS)),
            ("rtcp", str(self._port + 1)),
            (direction, ""),
        ]
        numbers = tuple(number for number, _ in formats)
        return MediaDescription("audio", self._port, protocol, numbers, None, tuple(attributes))


def _usable(media: MediaDescription) -> bool:
    return (
        media.kind == "audio"
        and media.port != 0
        and media.protocol in _PROTOCOLS
        and any(name in _LAWS for _, name in _codecs(media))
    )


def _codecs(media: MediaDescription) -> list[tuple[str, str]]:
    """Payload type and encoding name of each format at 8 kHz mono, in the peer's order."""
    names = dict(_STATIC)
    for key, value in media.attributes:
        number, _, encoding = value.partition(" ")
        if key == "rtpmap":
            name, _, rate = encoding.strip().partition("/")
            clock = rate.split("/")[0]
            names[number] = name.upper() if clock == str(CLOCK_RATE) else f"{name.upper()}/{clock}"
    return [(number, names.get(number, f"payload type {number}")) for number in media.formats]


def _negotiate(session: SessionDescription, media: MediaDescription, our_host: str) -> Negotiated:
    codecs = [(int(n), name) for n, name in _codecs(media) if n.isascii() and n.isdigit()]
    payload_type, name = next(entry for entry in codecs if entry[1] in _LAWS)
    events = [number for number, codec in codecs if codec == "TELEPHONE-EVENT"]
    host, held = _media_address(session, media, our_host)
    direction = _direction(session, media)
    if held:
        direction = _WITHOUT_RECEIVING[direction]
    if payload_type > 127:
        raise NotAcceptable(f"payload type {payload_type} for {name}: expected 0 to 127")
    return Negotiated(
        remote_host=host,
        remote_port=media.port,
        remote_rtcp_port=_rtcp_port(media),
        law=_LAWS[name],
        payload_type=payload_type,
        event_payload_type=next((number for number in events if number <= 127), None),
        direction=_OURS[direction],
        ptime_ms=_ptime(media),
    )


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
    return (
        int(text) if text.isascii() and text.isdigit() and int(text) <= 65_535 else media.port + 1
    )


def _ptime(media: MediaDescription) -> int:
    text = media.attribute("ptime") or ""
    return int(text) if text.isascii() and text.isdigit() and 10 <= int(text) <= 200 else PTIME_MS


def _declined(media: MediaDescription) -> MediaDescription:
    return replace(media, port=0, address=None, attributes=())


def _why_not(description: SessionDescription) -> str:
    """A sentence for the operator: what came, what we take."""
    audio = [media for media in description.media if media.kind == "audio" and media.port]
    if not audio:
        kinds = ", ".join(f"{m.kind} on port {m.port}" for m in description.media) or "no media"
        return f"there is no audio: the session description has {kinds}"
    plain = [media for media in audio if media.protocol in _PROTOCOLS]
    if not plain:
        return f"the audio is {audio[0].protocol}; this runtime takes RTP/AVP"
    names = ", ".join(name for _, name in _codecs(plain[0]))
    return f"the audio has no G.711 (PCMU or PCMA at 8000 Hz): it has {names}"
