"""A registration: telling a provider where we are, and telling it again before it forgets.

RFC 3261 §10.2, with Path (RFC 3327), Service-Route (RFC 3608) and outbound (RFC 5626).

    trying ──2xx──→ active ──refresh──→ trying …
       ├──401, 403, 4xx──→ held      our own data are wrong: asked again after 5 min, 10, 20 … 60
       └──5xx, silence───→ failed    the registrar is unwell: asked again after 5 s, 10 s … 5 min

Rule 1: a refresh leaves at about 85 % of what was granted, to the first target that is well; a
        failed target is tried last for a minute, and then first again.
Rule 2: what the registrar asks for (Min-Expires, Retry-After, another Contact) is obeyed, within
        bounds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..base.ids import Entropy
from .attempt import Attempt
from .dialog import MAX_FORWARDS
from .digest import Authenticator, Credentials
from .errors import LocalSipError, SipParseError
from .events import RegistrationChanged, RegistrationState
from .message import CSeq, Headers, Request, Response
from .settings import UserAgentSettings
from .targets import TargetHealth
from .transaction_layer import Failure, Outcome, TransactionLayer, ignore
from .transport import Hop, Route

REFRESH_AT = 0.85
JITTER = 0.05
RETURN_S = 120.0
"""How soon the first target is tried again while a later one serves."""
HOLD_S, HOLD_MAX_S = 300.0, 3_600.0
RETRY_S, RETRY_MAX_S = 5.0, 300.0
KEEP_ALIVE_S = {"udp": 25.0, "tcp": 95.0, "tls": 95.0}
KEEP_ALIVE = b"\r\n\r\n"
MIN_EXPIRES_S, MAX_EXPIRES_S = 10, 86_400
MAX_CORRECTIONS = 3
"""How often in a row a 3xx or 423 is followed at once."""
HELD = frozenset({400, 401, 402, 403, 404, 405, 406, 407, 410, 416, 420, 603, 604, 606})


@dataclass(frozen=True, slots=True)
class Registrar:
    """Whom to register with, and as whom."""

    id: str
    """The owner's name for the registration."""
    uri: str
    """The Request-URI, such as `sip:trunk.example.com`."""
    aor: str
    """The address of record, such as `sip:alice@trunk.example.com`."""
    contact_user: str
    line: str
    """An opaque word in our Contact: a request that comes with it is the registrar's."""
    credentials: Credentials | None = None
    expires_s: int = 3600
    instance: str | None = None
    """`urn:uuid:…` of this runtime; with it the registration is an outbound flow (RFC 5626)."""
    routes: tuple[str, ...] = ()
    """Route values, such as an outbound proxy."""


@dataclass(frozen=True, slots=True)
class Circle:
    """What every registration works with."""

    layer: TransactionLayer
    settings: UserAgentSettings
    entropy: Entropy
    health: TargetHealth
    tell: Callable[[RegistrationChanged], None]


class Registration:
    """One registration, over all its refreshes."""

    def __init__(self, circle: Circle, registrar: Registrar, targets: Sequence[Hop]) -> None:
        self._circle = circle
        self.registrar = registrar
        self.targets = tuple(targets)
        self._call_id = circle.entropy.token(16)
        self._tag = circle.entropy.token()
        self._sequence = 0
        self._expires_s = registrar.expires_s
        credentials = registrar.credentials
        self._authenticator = Authenticator(credentials, circle.entropy) if credentials else None
        self._attempt: Attempt | None = None
        self._expires_at: float | None = None
        self._active_on: Route | None = None
        """Where the registrar that knows us is; it may know us still while a refresh fails."""
        self._failures = 0
        self._corrections = 0
        self.state: RegistrationState = "trying"
        self.due = self.send
        """The alarm that sends the next REGISTER: one bound method, so that it can be stopped."""
        self._ping = self._keep_alive

    # What is sent -----------------------------------------------------------------------------

    def send(self, now: float) -> None:
        """Register, or refresh."""
        if self._attempt and not self._attempt.settled:
            return
        if not self.targets:
            self._fail(503, "the registrar's address is not known", None, now)
            return
        hops = self._circle.health.best_first(self.targets, now)
        self._start(hops, self._expires_s, now)

    def leave(self, now: float) -> None:
        """Tell the registrar to forget us (Expires: 0), where it knew us."""
        self.stop()
        if self._active_on is not None:
            Attempt(
                self._circle.layer,
                lambda route: self._request(route, 0),
                [self._active_on],
                ignore,
                authenticator=self._authenticator,
            ).start(now)
        self._active_on = None
        self._tell("gone", None, "unregistered", None, None)

    def stop(self) -> None:
        """Send nothing further."""
        if self._attempt:
            self._attempt.settle()
        self._circle.layer.stop_alarm(self.due, "register")
        self._circle.layer.stop_alarm(self._ping, "ping")

    def _start(self, hops: Sequence[Hop], expires_s: int, now: float) -> None:
        self._attempt = Attempt(
            self._circle.layer,
            lambda route: self._request(route, expires_s),
            [Route(hop) for hop in hops],
            self._take,
            authenticator=self._authenticator,
            on_target=self._circle.health.mark,
        )
        self._attempt.start(now)

    def _request(self, route: Route, expires_s: int) -> Request:
        registrar, settings = self.registrar, self._circle.settings
        self._sequence += 1
        fields = Headers([("Via", self._circle.layer.new_via(route))])
        fields.add("Max-Forwards", MAX_FORWARDS)
        fields.extend("Route", registrar.routes)
        fields.add("From", f"<{registrar.aor}>;tag={self._tag}")
        fields.add("To", f"<{registrar.aor}>")
        fields.add("Call-ID", self._call_id)
        fields.add("CSeq", str(CSeq(self._sequence, "REGISTER")))
        fields.add("Contact", self._contact(route.hop, expires_s))
        fields.add("Expires", str(expires_s))
        fields.add("Supported", "path, outbound" if registrar.instance else "path")
        fields.add("User-Agent", settings.product)
        return Request("REGISTER", registrar.uri, fields)

    def _contact(self, hop: Hop, expires_s: int) -> str:
        registrar, address = self.registrar, self._circle.settings.address_towards(hop)
        transport = "" if hop.transport == "udp" else f";transport={hop.transport}"
        uri = f"sip:{registrar.contact_user}@{address.authority}{transport};line={registrar.line}"
        flow = ""
        if registrar.instance:
            flow = f';+sip.instance="<{registrar.instance}>";reg-id=1'
        return f"<{uri}>{flow};expires={expires_s}"

    # What is answered -------------------------------------------------------------------------

    def _take(self, outcome: Outcome, _source: Hop | None, now: float) -> None:
        if isinstance(outcome, Response) and outcome.status < 200:
            return
        if isinstance(outcome, Failure):
            silent = outcome.kind == "timeout"
            self._fail(outcome.status, "no answer" if silent else "unreachable", None, now)
            return
        try:
            self._judge(outcome, now)
        except (SipParseError, LocalSipError) as error:
            self._fail(outcome.status, f"an answer that cannot be used: {error}", None, now)

    def _judge(self, response: Response, now: float) -> None:
        if response.status < 300:
            self._registered(response, now)
        elif self._corrected(response):
            self._corrections += 1
            self._start(self.targets, self._expires_s, now)
        elif response.status in HELD:
            self._hold(response, now)
        else:
            asked = _seconds(response, "Retry-After", int(HOLD_MAX_S))
            self._fail(response.status, response.reason, asked, now)

    def _registered(self, response: Response, now: float) -> None:
        granted = self._granted(response)
        self._failures = self._corrections = 0
        hop = self._attempt.hop if self._attempt else None
        self._active_on = Route(hop) if hop else None
        self._expires_at = now + granted
        wait = granted * (REFRESH_AT - JITTER * self._chance())
        if hop and self.targets and hop != self.targets[0]:
            wait = min(wait, RETURN_S)
        routes = tuple(response.headers.items_of("Service-Route"))
        self._schedule(wait, now)
        if hop and (self.registrar.instance or hop.transport != "udp"):
            self._circle.layer.alarm(self._ping, "ping", now + KEEP_ALIVE_S[hop.transport])
        self._tell("active", response.status, response.reason, hop, now + wait, routes)

    def _granted(self, response: Response) -> int:
        """For how long: our own Contact says, else the Expires header, else what we asked for."""
        line = self.registrar.line
        for contact in response.contacts:
            if contact.uri.parameters.get("line") == line:
                text = contact.parameters.get("expires")
                if text and text.isdecimal():
                    return _bounded(int(text))
        seconds = _seconds(response, "Expires", MAX_EXPIRES_S)
        return _bounded(self._expires_s if seconds is None else seconds)

    def _corrected(self, response: Response) -> bool:
        """Whether the registrar told how to ask instead, and that is worth doing at once."""
        if self._corrections >= MAX_CORRECTIONS:
            return False
        if response.status == 423:
            least = _seconds(response, "Min-Expires", MAX_EXPIRES_S)
            if least is None or least <= self._expires_s:
                return False
            self._expires_s = least
            return True
        if 300 <= response.status < 400 and response.contacts:
            self.targets = tuple(Hop.of_uri(one.uri) for one in response.contacts[:8])
            return True
        return False

    def _hold(self, response: Response, now: float) -> None:
        self._failures += 1
        wait = min(HOLD_S * 2 ** min(self._failures - 1, 8), HOLD_MAX_S)
        why = response.reason
        if response.status in (401, 407):
            why = "the registrar does not accept the username and password"
        self._schedule(wait, now)
        self._tell("held", response.status, why, self._hop, now + wait)

    def _fail(self, status: int, why: str, asked: int | None, now: float) -> None:
        self._failures += 1
        wait = min(RETRY_S * 2 ** min(self._failures - 1, 8), RETRY_MAX_S)
        wait = float(asked) if asked else wait * (1 + self._chance() / 4)
        self._schedule(wait, now)
        self._tell("failed", status, why, self._hop, now + wait)

    # Around it --------------------------------------------------------------------------------

    @property
    def _hop(self) -> Hop | None:
        return self._attempt.hop if self._attempt else None

    def _schedule(self, wait: float, now: float) -> None:
        self._circle.layer.alarm(self.due, "register", now + wait)

    def _keep_alive(self, now: float) -> None:
        """Two line ends keep a NAT binding or a connection open (RFC 5626 §4.4.1)."""
        if self._active_on:
            self._circle.layer.transmit(KEEP_ALIVE, self._active_on, self._call_id)
            gap = KEEP_ALIVE_S[self._active_on.hop.transport]
            self._circle.layer.alarm(self._ping, "ping", now + gap)

    def _tell(
        self,
        state: RegistrationState,
        status: int | None,
        reason: str,
        target: Hop | None,
        next_at: float | None,
        routes: tuple[str, ...] = (),
    ) -> None:
        self.state = state
        expires_at = self._expires_at if state == "active" else None
        self._circle.tell(
            RegistrationChanged(
                self.registrar.id, state, status, reason, target, expires_at, next_at, routes
            )
        )

    def _chance(self) -> float:
        return self._circle.entropy.integer(16) / 65_536


def _bounded(seconds: int) -> int:
    return min(max(seconds, MIN_EXPIRES_S), MAX_EXPIRES_S)


def _seconds(response: Response, name: str, most: int) -> int | None:
    """The seconds a header begins with, at most `most`; None if it has none."""
    text = (response.headers.first(name) or "").split(";")[0].split("(")[0].strip()
    if not (text.isascii() and text.isdecimal()) or len(text) > 10:
        return None
    return min(int(text), most)
