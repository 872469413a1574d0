"""How a user agent presents itself and what bounds it."""

from dataclasses import dataclass

from .transport import Hop, Transport


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """One address of ours, as peers reach it. IPv6 without brackets."""

    transport: Transport
    host: str
    port: int

    @property
    def authority(self) -> str:
        """Host and port as they stand in a URI."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UserAgentSettings:
    """Settings of one user agent. Times are seconds (RFC 3261 table 4)."""

    host: str
    """The address that peers reach us at: written into Via and Contact. IPv6 without brackets."""
    port: int = 5060
    addresses: tuple[LocalAddress, ...] = ()
    """Ours beyond `host`:`port` over UDP and TCP: for TLS, and for the other IP version."""
    product: str = "Aywa"
    """The value of User-Agent and Server."""
    max_dialogs: int = 200
    """Legs at the same time, in both directions; one more incoming is answered 503."""
    max_transactions: int = 4000
    """Transactions at the same time; a request beyond is answered 503 without keeping anything."""
    retry_after_s: int = 10
    """What a 503 asks the peer to wait."""
    session_expires_s: int = 1800
    """The session interval that we ask for (RFC 4028)."""
    min_se_s: int = 90
    """The smallest session interval that we accept."""
    t1: float = 0.5
    """Estimate of the round trip."""
    t2: float = 4.0
    """Longest pause between retransmissions."""
    t4: float = 5.0
    """How long a message may stay in the network."""

    def address_towards(self, hop: Hop) -> LocalAddress:
        """The address that stands in Via and Contact of what goes to this far end."""
        main = LocalAddress(hop.transport, self.host, self.port)
        ours = [one for one in self.addresses if one.transport == hop.transport]
        if hop.transport != "tls":
            ours.insert(0, main)
        same = [one for one in ours if (":" in one.host) == hop.is_ipv6]
        return next(iter(same or ours), main)

    @property
    def authority(self) -> str:
        """Host and port of the main address as they stand in a URI."""
        return LocalAddress("udp", self.host, self.port).authority

    @property
    def patience(self) -> float:
        """64*T1: how long a transaction waits for its peer."""
        return 64 * self.t1
