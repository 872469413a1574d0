"""Offer and answer (RFC 3264) for one G.711 audio stream with telephone events.

Our side of a session, with its running version. What was agreed comes out as `Negotiated`, which is
just what the media plane wants to know.
"""

from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Literal

from ...base.errors import AywaError
from ...codecs.g711 import PAYLOAD_TYPE, Law
from .description import MAX_PORT, MediaDescription, SessionDescription, whole_number

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

EVENT_PAYLOAD_TYPE = 101  # ours in offers; any dynamic number would do
PTIME_MS = 20
MIN_PTIME_MS, MAX_PTIME_MS = 10, 200  # what is believed of a peer
CLOCK_RATE = 8_000

MAX_PAYLOAD_TYPE = 127

_PROTOCOLS = ("RTP/AVP", "RTP/AVPF")
_LAWS: dict[str, Law] = {"PCMU": "pcmu", "PCMA": "pcma"}
_OFFERED = tuple((str(number), law.upper()) for law, number in PAYLOAD_TYPE.items())
"""Payload type and encoding name of what we offer first."""
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
    """Our side of one session: makes offers and answers, and reads the peer's.

    The version rises only with a change (RFC 3264 §8), and what has once been an m-line stays one,
    in its place: a new offer declines again what the peer had offered besides audio.
    """

    def __init__(self, host: str, port: int, session_id: int) -> None:
        """RTP is received on `host`:`port`, RTCP on the port above."""
        self._host = host
        self._port = port
        self._described = SessionDescription(host, session_id, 0, (), host)
        self._place = 0  # of the audio among the m-lines
        self._protocol = _PROTOCOLS[0]
        self._laws = _OFFERED
        self._event_payload_type = EVENT_PAYLOAD_TYPE
        self._direction: Direction = "sendrecv"

    def offer(self, direction: Direction = "sendrecv") -> bytes:
        """An offer of both laws, the agreed one first, and telephone events."""
        self._direction = direction
        ours = self._audio(self._laws, self._event_payload_type, direction)
        media = [_declined(m) for m in self._described.media] or [ours]
        media[self._place] = ours
        return self._describe(media)

    def answer(self, body: bytes) -> tuple[bytes, Negotiated]:
        """The answer to the peer's offer. Raises SdpError, NotAcceptable."""
        offer = SessionDescription.parse(body)
        place = next((i for i, m in enumerate(offer.media) if _usable(m)), None)
        if place is None:
            raise NotAcceptable(_why_not(offer))
        agreed = _negotiate(offer, offer.media[place], self._host)
        self._keep(agreed, offer.media[place].protocol, place)
        self._direction = agreed.direction
        ours = self._audio(self._laws[:1], agreed.event_payload_type, agreed.direction)
        media = [_declined(m) for m in offer.media]
        media[place] = ours
        return self._describe(media), agreed

    def accept(self, body: bytes) -> Negotiated:
        """What the peer's answer to our last offer means. Raises SdpError, NotAcceptable."""
        answer = SessionDescription.parse(body)
        audio = answer.media[self._place] if self._place < len(answer.media) else None
        if audio is None or not _usable(audio):
            raise NotAcceptable(_why_not(answer))
        agreed = _negotiate(answer, audio, self._host)
        self._keep(agreed, audio.protocol, self._place)
        return replace(agreed, direction=_both(agreed.direction, self._direction))

    def _keep(self, agreed: Negotiated, protocol: str, place: int) -> None:
        """A later offer gives the same numbers the same meaning (RFC 3264 §8.3.2)."""
        first = (str(agreed.payload_type), agreed.law.upper())
        others = [law for law in _OFFERED if law[0] != first[0] and law[1] != first[1]]
        self._laws = (first, *others)
        self._protocol, self._place = protocol, place
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
        laws: tuple[tuple[str, str], ...],
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
        kind = ("audio", self._port, self._protocol)
        return MediaDescription(*kind, numbers, None, tuple(attributes))


def _usable(media: MediaDescription) -> bool:
    return (
        media.kind == "audio"
        and media.port != 0
        and media.protocol in _PROTOCOLS
        and any(name in _LAWS for _, name in _codecs(media))
    )


def _codecs(media: MediaDescription) -> list[tuple[int, str]]:
    """Payload type and encoding name of each format, in the peer's order.

    A name goes without its clock rate if that is 8 kHz. What is no payload type is left out.
    """
    names = dict(_STATIC)
    for key, value in media.attributes:
        if key == "rtpmap" and value:
            number, *encoding = value.split()
            name, _, rate = (encoding or [""])[0].partition("/")
            clock = rate.split("/")[0]
            names[number] = name.upper() if clock == str(CLOCK_RATE) else f"{name.upper()}/{clock}"
    return [
        (payload_type, names.get(text, f"payload type {text}"))
        for text in media.formats
        if (payload_type := whole_number(text, MAX_PAYLOAD_TYPE)) is not None
    ]


def _negotiate(session: SessionDescription, media: MediaDescription, our_host: str) -> Negotiated:
    codecs = _codecs(media)
    payload_type, name = next(entry for entry in codecs if entry[1] in _LAWS)
    events = [number for number, codec in codecs if codec == "TELEPHONE-EVENT"]
    host, held = _media_address(session, media, our_host)
    direction = _direction(session, media)
    if held:
        direction = _WITHOUT_RECEIVING[direction]
    return Negotiated(
        remote_host=host,
        remote_port=media.port,
        remote_rtcp_port=_rtcp_port(media),
        law=_LAWS[name],
        payload_type=payload_type,
        event_payload_type=next(iter(events), None),
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


def _why_not(description: SessionDescription) -> str:
    """A sentence for the operator: what came, what we take."""
    audio = [media for media in description.media if media.kind == "audio" and media.port]
    if not audio:
        kinds = _listed([f"{m.kind} on port {m.port}" for m in description.media]) or "no media"
        return f"there is no audio: the session description has {kinds}"
    plain = [media for media in audio if media.protocol in _PROTOCOLS]
    if not plain:
        return f"the audio is {audio[0].protocol[:20]}; this runtime takes RTP/AVP"
    names = _listed([name for _, name in _codecs(plain[0])])
    return f"the audio has no G.711 (PCMU or PCMA at 8000 Hz): it has {names or 'no format'}"


def _listed(words: list[str]) -> str:
    """A peer's words for an operator's line, cut short."""
    more = ", …" if len(words) > 8 else ""
    return ", ".join(word[:24] for word in words[:8]) + more
