"""How the media processes fare, for operators: metrics and readiness."""

from collections.abc import Callable

from ..api.metrics import Metrics
from ..api.ports import ReadinessCheck
from ..media.io.engines import MediaEngines, Share

_WATCHED: tuple[tuple[str, str, Callable[[Share], float]], ...] = (
    ("up", "1 while the media process runs", lambda engine: engine.media is not None),
    ("deaths", "Times that the media process died", lambda engine: engine.deaths),
    ("streams", "Open RTP streams", lambda engine: engine.held),
    ("busy_ratio", "Share of a core in use", lambda engine: engine.load.busy),
    ("late_ratio", "Share of late 20 ms ticks", lambda engine: engine.load.late),
    ("ticks", "Ticks since the process began", lambda engine: engine.load.ticks),
    ("late_ticks", "Ticks begun over 10 ms late", lambda engine: engine.load.late_ticks),
    ("overruns", "Ticks longer than 20 ms", lambda engine: engine.load.overruns),
    ("send_errors", "Packets the network refused", lambda engine: engine.load.send_errors),
)


def watch_media(metrics: Metrics, media: MediaEngines) -> None:
    """Each engine's account of itself, by its number."""
    for name, meaning, value in _WATCHED:
        metrics.watch_each(
            f"runtime_media_{name}",
            meaning,
            "engine",
            {str(engine.number): _asked(value, engine) for engine in media.engines},
        )


def _asked(value: Callable[[Share], float], engine: Share) -> Callable[[], float]:
    return lambda: value(engine)


def media_readiness(media: MediaEngines) -> ReadinessCheck:
    """Whether audio of one more call can be carried."""

    async def check() -> str | None:
        full = media.full()
        return f"{full[0].upper()}{full[1:]}." if full else None

    return check
