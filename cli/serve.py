"""`aywa serve`: start the runtime and say how to reach it."""

from ..providers.offline.demo import DEMO_LINES
from ..runtime.build import Runtime
from ..runtime.serve import run
from ..runtime.settings import Settings, load


def serve() -> int:
    """Run until a stop signal."""
    run(load(), _announce)
    return 0


def _announce(runtime: Runtime, settings: Settings) -> None:
    host = settings.signalled_host
    authority = f"[{host}]" if ":" in host else host
    port = "" if settings.sip_port == 5060 else f":{settings.sip_port}"
    target = f"sip:demo@{authority}{port}"
    key = runtime.identity.api_key
    shown = "the key in RUNTIME_API_KEY" if settings.api_key else f"development key {key}"
    lines = " ".join(f'--say "{line}"' for line in DEMO_LINES)
    print(
        f"""
Aywa is ready.

  SIP    {target}   (UDP and TCP; any SIP phone can call it)
  API    {settings.api_url}   ({shown})
  Voice  {runtime.catalog.describe()}

Try this in a second terminal:

  .venv/bin/aywa call {target} {lines}
""",
        flush=True,
    )
