"""The gate that every call of ours passes before anything is sent: calls by REST, transfers, tests.

Rule 1: nothing is allowed that nobody listed. Calling codes are listed by the operator, further
        beginnings by the trunk; of two that fit a number the longer counts, and among equals the
        one that denies.
Rule 2: what is costly is allowed only if it is listed as such, what is an emergency number never.
Rule 3: a number is judged as it leaves: read once where we write it anew, in every way that the
        provider may read it where it leaves as it was given.
Rule 4: whoever is let in holds a place until it is given back, or for as long as a call may last.

The gate knows no documents and sends nothing.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from ...base.clock import Clock
from ...sip.errors import SipError
from ...sip.message import Uri
from ...sip.transport import Hop
from .destinations import costly, is_emergency, longest
from .numbering import cleaned, is_e164, readings
from .targets import Targets
from .trunk import Trunk

Code = Literal[
    "no-trunk", "not-a-number", "emergency-number", "costly-number", "denied-number",
    "unlisted-number", "target-not-permitted", "too-many-calls-per-second", "too-many-calls",
    "minutes-used-up",
]  # fmt: skip

LONGEST_CALL_S = 86_400
GRACE_S = 120
"""How much longer than its longest duration a call may hold its place."""
BURST_S = 1.0
"""How long of not calling a trunk may save up."""
EXTENSION_DIGITS = 6
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Origination:
    """A call that somebody wants to place."""

    call_id: str
    trunk: Trunk | None
    """By which trunk; None for a SIP URI that no trunk leads to."""
    number: str | None = None
    """Whom to call, as it was given."""
    uri: str | None = None
    """Or where."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The call may begin, and has its place: `release` it when the call is over."""

    number: str | None
    """The number as it is meant, E.164 with plus if it is one; None for a SIP URI."""
    max_duration_s: int | None
    """When the call must be ended; None: the gate does not say."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The call may not begin."""

    code: Code
    sentence: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What a trunk has used."""

    live: int
    placed: int
    received: int
    denied: int
    minutes_today: float


@dataclass(slots=True)
class _Place:
    trunk_id: str | None
    outbound: bool
    began: float
    until: float


@dataclass(slots=True)
class _Bucket:
    """A token bucket: one token a call."""

    tokens: float
    at: float


@dataclass(slots=True)
class _Book:
    """What one trunk has used."""

    live: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    day: int = 0


class Gate:
    """Decides who may call, and keeps count."""

    def __init__(
        self,
        clock: Clock,
        *,
        countries: Iterable[str] = (),
        targets: Iterable[str] = (),
        calls_per_second: float = 50,
    ) -> None:
        """`countries` are beginnings of numbers, `targets` hosts and networks of SIP URIs."""
        self._clock = clock
        self._countries = tuple(code.removeprefix("+") for code in countries)
        self._targets = Targets(targets)
        self._rate = calls_per_second
        self._buckets: dict[str | None, _Bucket] = {}
        self._places: dict[str, _Place] = {}
        self._books: defaultdict[str, _Book] = defaultdict(_Book)

    # Deciding ---------------------------------------------------------------------------------

    def decide(self, wanted: Origination) -> Allowed | Denied:
        """Whether a call may begin; if so it holds a place, under its id, until `release`."""
        if wanted.uri is not None and wanted.trunk and not _leads_to(wanted.trunk, wanted.uri):
            wanted = replace(wanted, trunk=None)
        verdict = self._judge(wanted)
        if wanted.trunk:
            kind = "denied" if isinstance(verdict, Denied) else "placed"
            self._books[wanted.trunk.id].counted[kind] += 1
        if isinstance(verdict, Allowed):
            self._take_place(wanted.call_id, wanted.trunk, True, verdict.max_duration_s)
        return verdict

    def receive(self, call_id: str, trunk: Trunk) -> Allowed | Denied:
        """Whether a call of a trunk may come in: only `concurrentCalls` counts."""
        self._expire()
        if full := self._full(trunk):
            self._books[trunk.id].counted["denied"] += 1
            return full
        self._books[trunk.id].counted["received"] += 1
        longest_s = trunk.limits.call_duration_s
        self._take_place(call_id, trunk, False, longest_s)
        return Allowed(None, longest_s)

    def refusal_of_hops(self, uri: str, hops: Iterable[Hop]) -> Denied | None:
        """Why a call to a SIP URI may not go where DNS leads; None: it may."""
        why = self._targets.refusal_of_addresses(_host(uri), [hop.host for hop in hops])
        return Denied("target-not-permitted", f"{why}.") if why else None

    def release(self, call_id: str) -> None:
        """Give back the place of a call; one that holds none is no error."""
        place = self._places.pop(call_id, None)
        if place is None or place.trunk_id is None:
            return
        book = self._books[place.trunk_id]
        book.live -= 1
        if place.outbound:
            self._use(book, min(self._clock.monotonic(), place.until) - place.began)

    def keep_only(self, live: Iterable[str]) -> list[str]:
        """Give back the places of all calls but these; gives whose they were."""
        alive = set(live)
        lost = [call_id for call_id in self._places if call_id not in alive]
        for call_id in lost:
            self.release(call_id)
        return lost

    def carry_over(self, seconds_today: Mapping[str, float]) -> None:
        """Take what each trunk's outbound calls of this UTC day used before a restart, seconds."""
        for trunk_id, seconds in seconds_today.items():
            self._use(self._books[trunk_id], seconds)

    def usage(self, trunk_id: str) -> Usage:
        """What a trunk has used; calls under way count with what they have lasted."""
        self._expire()
        book = self._books.get(trunk_id, _Book())
        return Usage(
            live=book.live,
            placed=book.counted["placed"],
            received=book.counted["received"],
            denied=book.counted["denied"],
            minutes_today=round(self._seconds_today(trunk_id) / 60, 2),
        )

    # Rules ------------------------------------------------------------------------------------

    def _judge(self, wanted: Origination) -> Allowed | Denied:
        self._expire()
        if wanted.uri is not None:
            number, denied = None, self._judge_uri(wanted.uri, wanted.trunk)
        elif wanted.trunk is None:
            denied = Denied("no-trunk", "The phone number has no trunk to call a number by.")
            number = None
        else:
            number, denied = self._judge_number(wanted.number or "", wanted.trunk)
        if denied:
            return denied
        if (trunk := wanted.trunk) and (denied := self._full(trunk)):
            return denied
        longest_s, denied = self._duration(trunk) if trunk else (None, None)
        return denied or self._paced(trunk) or Allowed(number, longest_s)

    def _judge_uri(self, text: str, trunk: Trunk | None) -> Denied | None:
        try:
            uri = Uri.parse(text)
            host = Hop.of_uri(uri).host
        except SipError as error:
            return Denied("target-not-permitted", f"The SIP URI cannot be called: {error}.")
        if trunk:
            return self._judge_user(uri.user or "", trunk)
        if why := self._targets.refusal(host) or self._targets.refusal(uri.host):
            return Denied(
                "target-not-permitted",
                f"{why}: add it to RUNTIME_SIP_TARGETS, or call by a trunk that has it as gateway.",
            )
        return None

    def _judge_user(self, user: str, trunk: Trunk) -> Denied | None:
        """The user part of a URI at a trunk's own gateway: names and extensions are on-net."""
        number = cleaned(user).removeprefix("+")
        if is_emergency(number, trunk.plan.country_code):
            return _emergency(number)
        if sum(c.isdigit() for c in number) <= EXTENSION_DIGITS:
            return None
        return self._judge_number(user, replace(trunk, number_format="as-is"))[1]

    def _judge_number(self, given: str, trunk: Trunk) -> tuple[str | None, Denied | None]:
        meant = readings(given, trunk.plan)
        raw = cleaned(given)
        for number in (*meant, raw):
            if is_emergency(number, trunk.plan.country_code):
                return None, _emergency(raw)
        international = [number for number in meant if is_e164(number)]
        if not international:
            if raw in trunk.allowed and raw.isdecimal():
                return raw, None
            return None, Denied(
                "not-a-number",
                f"{raw!r} cannot be called by {trunk}: it is no number with country code; list a "
                "short number in sip.destinations.allow, or call a SIP URI at the gateway.",
            )
        for number in international if trunk.number_format == "as-is" else international[:1]:
            if denied := self._judge_e164(number, trunk):
                return None, denied
        return international[0], None

    def _judge_e164(self, number: str, trunk: Trunk) -> Denied | None:
        allowed = longest(number, (*trunk.allowed, *self._countries))
        barred = longest(number, trunk.denied)
        if allowed is None:
            return Denied(
                "unlisted-number",
                f"{number} is in no permitted destination: add its country to "
                "RUNTIME_SIP_COUNTRIES, or its beginning to the trunk's sip.destinations.allow.",
            )
        if barred is not None and len(barred) >= len(allowed):
            return Denied("denied-number", f"{number}: {trunk} denies numbers with +{barred}.")
        if (range_ := costly(number)) and len(allowed) < len(range_[0]):
            prefix, what = range_
            return Denied(
                "costly-number",
                f"{number} is in +{prefix}, {what}: list {prefix} in the trunk's "
                "sip.destinations.allow if it shall be called.",
            )
        return None

    def _full(self, trunk: Trunk) -> Denied | None:
        most = trunk.limits.concurrent_calls
        if most is None or self._books[trunk.id].live < most:
            return None
        return Denied("too-many-calls", f"All {most} calls permitted on {trunk} are in use.")

    def _duration(self, trunk: Trunk) -> tuple[int | None, Denied | None]:
        """How long the call may last: what is left of the day's minutes bounds it as well."""
        longest_s, minutes = trunk.limits.call_duration_s, trunk.limits.minutes_per_day
        if minutes is None:
            return longest_s, None
        left = minutes * 60 - self._seconds_today(trunk.id)
        if left < 1:
            return None, Denied(
                "minutes-used-up", f"The {minutes} minutes that {trunk} may call a day are used up."
            )
        return min(longest_s or LONGEST_CALL_S, math.floor(left)), None

    def _paced(self, trunk: Trunk | None) -> Denied | None:
        """Whether neither the runtime nor the trunk calls too fast; takes a token of both."""
        buckets = [self._bucket(None, self._rate)]
        if trunk:
            buckets.append(self._bucket(trunk.id, trunk.limits.calls_per_second))
        for bucket, whose in zip(buckets, ("the runtime", str(trunk)), strict=False):
            if bucket.tokens < 1:
                return Denied(
                    "too-many-calls-per-second",
                    f"Calls are placed faster than {whose} permits: try again in a second.",
                )
        for bucket in buckets:
            bucket.tokens -= 1
        return None

    def _bucket(self, key: str | None, rate: float) -> _Bucket:
        now, most = self._clock.monotonic(), max(1.0, rate * BURST_S)
        bucket = self._buckets.setdefault(key, _Bucket(most, now))
        bucket.tokens = min(most, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        return bucket

    # Counting ---------------------------------------------------------------------------------

    def _take_place(
        self, call_id: str, trunk: Trunk | None, outbound: bool, longest_s: int | None
    ) -> None:
        self.release(call_id)  # one call holds one place
        now = self._clock.monotonic()
        until = now + (longest_s or LONGEST_CALL_S) + GRACE_S
        self._places[call_id] = _Place(trunk.id if trunk else None, outbound, now, until)
        if trunk:
            self._books[trunk.id].live += 1

    def _expire(self) -> None:
        """Give back places that no call can hold any more: their owner forgot them."""
        now = self._clock.monotonic()
        for call_id in [key for key, place in self._places.items() if place.until <= now]:
            self.release(call_id)

    def _use(self, book: _Book, seconds: float) -> None:
        today = int(self._clock.wall() // DAY_S)
        if book.day != today:
            book.day, book.seconds = today, 0.0
        # What a call used before midnight is yesterday's.
        book.seconds += min(seconds, self._clock.wall() % DAY_S)

    def _seconds_today(self, trunk_id: str) -> float:
        book = self._books.get(trunk_id)
        if book is None:
            return 0.0
        now, since_midnight = self._clock.monotonic(), self._clock.wall() % DAY_S
        done = book.seconds if book.day == int(self._clock.wall() // DAY_S) else 0.0
        return done + sum(
            min(now - place.began, since_midnight)
            for place in self._places.values()
            if place.trunk_id == trunk_id and place.outbound
        )


def _leads_to(trunk: Trunk, uri: str) -> bool:
    """Whether a SIP URI is at a trunk's own gateway, and goes there in truth."""
    try:
        host = Hop.of_uri(Uri.parse(uri)).host
    except SipError:
        return False
    return {host.lower(), _host(uri)} <= trunk.hosts()


def _host(uri: str) -> str:
    try:
        return Uri.parse(uri).host.strip("[]").lower()
    except SipError:
        return ""


def _emergency(number: str) -> Denied:
    return Denied(
        "emergency-number",
        f"{number} is an emergency number: the runtime never calls one.",
    )
