"""What a stream's packets tell about the line: counts, loss, jitter (RFC 3550 §6.4.1)."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class StreamReport:
    """The totals of one stream, given when it closes.

    Counts are packets. `jitter_ms` is the RFC 3550 interarrival jitter at the end;
    `round_trip_ms` comes from RTCP and is None if the peer sent no usable report.
    """

    packets_received: int = 0
    packets_sent: int = 0
    lost: int = 0
    late: int = 0
    duplicates: int = 0
    concealed: int = 0
    malformed: int = 0
    strangers: int = 0
    wrong_payload_type: int = 0
    comfort_noise: int = 0
    jitter_ms: float = 0.0
    round_trip_ms: float | None = None

    def as_document(self) -> dict[str, float | int | None]:
        """The report as the timeline shows it."""
        return asdict(self)
