"""How a user agent presents itself and what bounds it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UserAgentSettings:
    """Settings of one user agent. Times are seconds (RFC 3261 table 4)."""

    host: str
    """The address that peers reach us at: written into Via and Contact. IPv6 without brackets."""
    port: int = 5060
    product: str = "Aywa"
    """The value of User-Agent and Server."""
    max_dialogs: int = 200
    """Legs at the same time, in both directions; one more incoming is answered 503."""
    max_transactions: int = 4000
    """Transactions at the same time; a request beyond is answered 503 without keeping anything."""
    retry_after_s: int = 10
    """What a 503 asks the peer to wait."""
    t1: float = 0.5
    """Estimate of the round trip."""
    t2: float = 4.0
    """Longest pause between retransmissions."""
    t4: float = 5.0
    """How long a message may stay in the network."""

    @property
    def authority(self) -> str:
        """Host and port as they stand in a URI."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def patience(self) -> float:
        """64*T1: how long a transaction waits for its peer."""
        return 64 * self.t1
