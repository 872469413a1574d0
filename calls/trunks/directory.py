"""The directory: who may call in, answered from memory for every request out of the blue.

In this order, and the first that fits decides:

    1. the line token of our own Contact in the Request-URI: a trunk that we registered
    2. the address it came from: a gateway of a trunk; of several that share it, the one whose id is
       in the Request-URI, else the one that has the called number
    3. a trusted network
    4. a digest account: of the trunk, or of a SIP user of ours that has `authentication`
    5. a SIP user of ours without authentication: open to anyone
    6. nobody: not a byte is answered, and the nearest match is written down

Implements `sip.doorkeeper.Doorkeeper`. Numbers are looked up among the caller's own: two
organisations may have the same number on different trunks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from ...sip.doorkeeper import Account, Admitted, Challenged, Ignored, Turned, Verdict
from ...sip.errors import SipParseError
from ...sip.events import Invited
from ...sip.message import Request
from ...sip.message.credentials import parse_auth
from ...sip.transport import Hop
from ...store.documents import Document
from .matching import Numbers, Place, Sources, called_users
from .targets import address_of
from .trunk import Trunk, line_token

TRUSTED_PARTY = "trusted"
"""The party of a request from a trusted network, which is of no trunk."""
VAPI = "vapi"

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Called:
    """Who is called: a phone number, and the trunk if the call came by one."""

    number: Document
    trunk: Trunk | None


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """A request that was ignored or turned away, for the status of the trunk it concerns."""

    trunk_id: str | None
    source: Hop
    method: str
    called: str
    status: int
    """0: not answered."""
    why: str


@dataclass(frozen=True, slots=True)
class _DigestAccount:
    """Somebody who may prove itself; `owner` is a trunk's id, None for a SIP user of ours."""

    username: str
    password: str = field(repr=False)
    realm: str
    owner: str | None


class Directory:
    """Every trunk and number of this process."""

    def __init__(
        self,
        line_secret: bytes,
        *,
        trusted: Sequence[Network] = (),
        realm: str = "aywa",
        turned: Callable[[], Turned | None] = lambda: None,
    ) -> None:
        """`turned` says whether new calls are turned away for now: overload, drain. Without
        `trusted` networks nobody is let in who is not known."""
        self._secret = line_secret
        self._trusted = tuple(trusted)
        self._realm = realm
        self._turned = turned
        self.on_refused: Callable[[RefusedRequest], None] = lambda _: None
        """Told of every request that is ignored or turned away; the service listens."""
        self._trunks: dict[str, Trunk] = {}
        self._lines: dict[str, Trunk] = {}
        self._numbers = Numbers(())
        self._accounts: dict[str, list[_DigestAccount]] = {}
        self._sources = Sources()
        self._addresses: dict[str, Mapping[int, Sequence[str]]] = {}

    # What is known ----------------------------------------------------------------------------

    def rebuild(self, trunks: Iterable[Trunk], numbers: Iterable[Document]) -> None:
        """Know these trunks and phone numbers, and no others."""
        listed = list(numbers)
        ordered = sorted(trunks, key=lambda one: (one.created_at, one.id))
        self._trunks = {trunk.id: trunk for trunk in ordered}
        self._lines = {self.line(trunk.id): trunk for trunk in ordered if trunk.register}
        self._numbers = Numbers(listed)
        self._accounts = _accounts(ordered, listed, self._realm)
        self._addresses = {key: self._addresses.get(key, {}) for key in self._trunks}
        self._index()

    def resolved(self, addresses: Mapping[str, Mapping[int, Sequence[str]]]) -> None:
        """Where host names lead now: by trunk and gateway (-1: registrar and proxy)."""
        known = {one: found for one, found in addresses.items() if one in self._trunks}
        if any(self._addresses.get(one) != found for one, found in known.items()):
            self._addresses |= known
            self._index()

    def line(self, trunk_id: str) -> str:
        """The line token of a trunk."""
        return line_token(self._secret, trunk_id)

    def trunk(self, trunk_id: str | None) -> Trunk | None:
        """A trunk by its id."""
        return self._trunks.get(trunk_id or "")

    def trunk_of(self, number: Document) -> Trunk | None:
        """The trunk of a phone number, if it is of the same organisation."""
        trunk = self.trunk(number.get("credentialId"))
        return trunk if trunk and trunk.org_id == number["orgId"] else None

    def called(self, invited: Invited) -> Called | None:
        """Who is called; None: the caller's trunk, or this runtime, has no such number."""
        request = Request("INVITE", invited.request_uri)
        for name, value in invited.headers:
            if name in ("To", "P-Called-Party-ID"):
                request.headers.add(name, value)
        trunk = self.trunk(invited.party)
        if trunk:
            number = self._number_on(trunk, request)
            return Called(number, trunk) if number else None
        if invited.party == TRUSTED_PARTY:
            found = next(iter(self._reached(request)), None)
        else:
            found = self._sip_user(request)
        return Called(found, None) if found else None

    # The doorkeeper ---------------------------------------------------------------------------

    def judge(self, request: Request, source: Hop) -> Verdict:
        """Whether to serve a request (see the order above)."""
        verdict, concerns = self._judge(request, source)
        if isinstance(verdict, Admitted | Challenged) and request.method == "INVITE":
            verdict = self._turned() or verdict
        if isinstance(verdict, Ignored | Turned):
            status = verdict.status if isinstance(verdict, Turned) else 0
            called = next(iter(called_users(request)), "")[:64]
            self.on_refused(
                RefusedRequest(concerns, source, request.method[:32], called, status, verdict.why)
            )
        return verdict

    def knows(self, source: Hop) -> bool:
        """Whether an address is a gateway's, or trusted: its nonsense is answered."""
        return self._trusts(source.host) or bool(self._sources.of(source.host))

    def disbelieved(self, request: Request, source: Hop, party: str | None, why: str) -> None:
        """A caller that was challenged proved nothing: the trunk's status tells of it."""
        called = next(iter(called_users(request)), "")[:64]
        self.on_refused(RefusedRequest(party, source, request.method[:32], called, 401, why))

    def _judge(self, request: Request, source: Hop) -> tuple[Verdict, str | None]:
        """The verdict, and the trunk that it is about."""
        if trunk := self._by_line(request):
            return self._admit(trunk, request), trunk.id
        places = self._sources.of(source.host)
        trunk = self._chosen([one.trunk for one in places if _serves(one, source)], request)
        trusted = self._trusts(source.host)
        others = trusted or self._sip_user(request) is not None
        if trunk and not (others and self._lacks_number(trunk, request)):
            return self._admit(trunk, request), trunk.id
        if trusted:
            return Admitted(TRUSTED_PARTY), None
        if account := self._account(request):
            return self._challenge(account), account.owner
        if request.method == "INVITE" and self._sip_user(request):
            return Admitted(None), None  # one with `authentication` has been challenged above
        return self._ignore(request, source, places)

    def _admit(self, trunk: Trunk, request: Request) -> Verdict:
        if not self._lacks_number(trunk, request):
            return Admitted(trunk.id)
        called = next(iter(called_users(request)), "")
        return Turned(404, f"{trunk} has no phone number {called[:64]!r}", trunk.id)

    def _lacks_number(self, trunk: Trunk, request: Request) -> bool:
        """A Replaces names a call of ours, whatever number it is sent to."""
        names_number = request.method == "INVITE" and "Replaces" not in request.headers
        return names_number and self._number_on(trunk, request) is None

    def _number_on(self, trunk: Trunk, request: Request) -> Document | None:
        users = called_users(request)
        for user in users:
            if number := self._numbers.on(trunk, user):
                return number
        # A call to the account itself rings the only number there is.
        if trunk.register and set(users) <= {trunk.account_name, trunk.contact_user}:
            return self._numbers.only_one(trunk)
        return None

    def _by_line(self, request: Request) -> Trunk | None:
        line = request.uri.parameters.get("line") if request.uri.is_sip else None
        return self._lines.get(line) if line else None

    def _chosen(self, trunks: Sequence[Trunk], request: Request) -> Trunk | None:
        """Of trunks that share an address the named one, or the one that has the number."""
        if len(trunks) > 1:
            named = _first_label(request)
            for trunk in trunks:
                if trunk.id.lower() == named:
                    return trunk
            having = [one for one in trunks if self._number_on(one, request)]
            if having:
                return self._oldest_number(having, request)
        return next(iter(trunks), None)

    def _oldest_number(self, trunks: Sequence[Trunk], request: Request) -> Trunk:
        """Who had the number first keeps it: a later one cannot take its calls away."""

        def since(trunk: Trunk) -> tuple[str, str]:
            number = self._number_on(trunk, request) or {}
            return number.get("createdAt") or "", number.get("id") or ""

        return min(trunks, key=since)

    def _trusts(self, host: str) -> bool:
        address = address_of(host)
        return address is not None and any(address in network for network in self._trusted)

    # Digest -----------------------------------------------------------------------------------

    def _account(self, request: Request) -> _DigestAccount | None:
        """Who may prove to be the sender.

        What is not an INVITE is challenged only when it brings an answer of its own: a scanner that
        asks with OPTIONS or REGISTER learns nothing.
        """
        offered = [one for name in _usernames(request) for one in self._accounts.get(name, ())]
        if request.method != "INVITE":
            return next(iter(offered), None)
        for account in offered:
            trunk = self.trunk(account.owner)
            if trunk and self._number_on(trunk, request):
                return account
        if user := self._sip_user(request):
            return _user_account(user, self._realm)
        trunks = [self.trunk_of(number) for number in self._reached(request)]
        trunks.append(self._trunks.get(_first_label(request)))
        accounts = [_trunk_account(trunk, self._realm) for trunk in trunks if trunk]
        return next(filter(None, accounts), None)

    def _sip_user(self, request: Request) -> Document | None:
        """The SIP user of ours that is called."""
        reached = self._reached(request)
        return next((one for one in reached if one.get("provider") == VAPI), None)

    def _reached(self, request: Request) -> Sequence[Document]:
        """Every number that the Request-URI names, of whatever organisation, oldest first."""
        user = request.uri.user if request.uri.is_sip else None
        return self._numbers.of_anyone(user) if user else ()

    def _challenge(self, account: _DigestAccount) -> Challenged:
        def account_of(username: str) -> Account | None:
            if username != account.username:
                return None
            return Account(account.username, account.password)

        return Challenged(account.realm, account_of, account.owner)

    # Strangers --------------------------------------------------------------------------------

    def _ignore(
        self, request: Request, source: Hop, places: Sequence[Place]
    ) -> tuple[Ignored, str | None]:
        came = f"{source.host}:{source.port} over {source.transport}"
        if place := next(iter(places), None):
            return Ignored(f"{came} is {_hindrance(place)}"), place.trunk.id
        for number in self._reached(request):
            if trunk := self.trunk_of(number):
                hosts = ", ".join(sorted(trunk.hosts())[:4])
                called = f"{number.get('number')} of {trunk}"
                return Ignored(f"{came} calls {called}, whose gateways are {hosts}"), trunk.id
        if request.uri.is_sip and "line" in request.uri.parameters:
            return Ignored(f"{came}: the line token in the Request-URI is of no trunk"), None
        if near := self._sources.nearest(source.host):
            network, place = near
            return Ignored(f"{came} is no gateway; the nearest is {network} of {place.trunk}"), None
        return Ignored(f"{came} is no gateway of any trunk"), None

    def _index(self) -> None:
        """Build the table of addresses anew."""
        sources = Sources()
        for trunk in self._trunks.values():
            for index, gateway in enumerate(trunk.gateways):
                if gateway.network:
                    sources.add(gateway.network, Place(trunk, index, gateway))
            for index, hosts in self._addresses.get(trunk.id, {}).items():
                at = trunk.gateways[index] if 0 <= index < len(trunk.gateways) else None
                for host in hosts:
                    sources.add_address(host, Place(trunk, index, at))
        self._sources = sources


def _serves(place: Place, source: Hop) -> bool:
    """Whether calls may come in here. A registrar sends its own, whatever gateways there are.

    Where TLS is agreed, an address alone proves nothing.
    """
    gateway = place.gateway
    if gateway is None:
        return True
    return gateway.inbound and (gateway.transport != "tls" or source.transport == "tls")


def _hindrance(place: Place) -> str:
    name = f"gateway {place.index + 1} of {place.trunk}"
    if place.gateway and not place.gateway.inbound:
        return f"{name}, which has inboundEnabled false"
    return f"{name}, which must come over tls"


def _first_label(request: Request) -> str:
    """The first part of the called host: a carrier may send `{number}@{credential id}.{host}`."""
    return request.uri.host.partition(".")[0].lower()


def _usernames(request: Request) -> list[str]:
    """The users that the request claims to prove."""
    found: list[str] = []
    for value in request.headers.all("Authorization")[:4]:
        try:
            found += [one.get("username") or "" for one in parse_auth(value)]
        except SipParseError:
            continue  # an unreadable answer is none
    return [username for username in found if username]


def _trunk_account(trunk: Trunk, realm: str) -> _DigestAccount | None:
    account = trunk.inbound_account
    if account is None:
        return None
    return _DigestAccount(account.username, account.password, account.realm or realm, trunk.id)


def _user_account(number: Document, realm: str) -> _DigestAccount | None:
    wanted = number.get("authentication")
    if not wanted:
        return None
    return _DigestAccount(
        wanted["username"], wanted["password"], wanted.get("realm") or realm, None
    )


def _accounts(
    trunks: Iterable[Trunk], numbers: Iterable[Document], realm: str
) -> dict[str, list[_DigestAccount]]:
    accounts = [_trunk_account(trunk, realm) for trunk in trunks]
    accounts += [_user_account(n, realm) for n in numbers if n.get("provider") == VAPI]
    found: dict[str, list[_DigestAccount]] = {}
    for account in accounts:
        if account:
            found.setdefault(account.username, []).append(account)
    return found
