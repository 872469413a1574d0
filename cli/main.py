"""`aywa`: parses the command line and runs one command."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from ..base.errors import AywaError
from .api import Api
from .call import CallRequest, Recording, Spoken, call
from .serve import serve
from .sip import show_status, try_trunk


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "serve":
            return serve()
        if options.command == "sip":
            return asyncio.run(_sip(options))
        return asyncio.run(call(_call_request(options)))
    except AywaError as error:
        print(f"aywa: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aywa", description="A private voice-agent runtime.")
    parser.add_argument("--version", action="version", version=f"aywa {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "serve", help="start the runtime; settings come from the environment (docs/settings.md)"
    )
    trunks = commands.add_parser("sip", help="see how the SIP trunks are, and try one")
    actions = trunks.add_subparsers(dest="action", required=True, metavar="ACTION")
    status = actions.add_parser("status", help="registration, gateways, calls, last refusals")
    status.add_argument("trunk", nargs="?", metavar="TRUNK", help="the id of a credential")
    tried = actions.add_parser(
        "test", help="OPTIONS, REGISTER, and an INVITE that is given up when it rings"
    )
    tried.add_argument("trunk", metavar="TRUNK", help="the id of a credential")
    tried.add_argument("--number", help="whom the INVITE calls (default: the trunk's own account)")
    for one in (status, tried):
        _add_api(one)
    caller = commands.add_parser("call", help="call a SIP address and hold a conversation")
    caller.add_argument("target", metavar="SIP-URI", help="for example sip:demo@127.0.0.1")
    caller.add_argument(
        "--say",
        dest="lines",
        action="append",
        type=Spoken,
        metavar="TEXT",
        help="speak TEXT; --say and --wav can be given again, the order is the order of speaking",
    )
    caller.add_argument(
        "--wav",
        dest="lines",
        action="append",
        type=lambda text: Recording(Path(text)),
        metavar="FILE",
        help="play a WAV file (mono; any rate that is a whole multiple of 8000 Hz, or 22050 Hz)",
    )
    caller.add_argument("--tcp", action="store_true", help="signal over TCP instead of UDP")
    caller.add_argument("--host", help="our own IP address (default: the one that reaches SIP-URI)")
    caller.add_argument("--record", type=Path, metavar="FOLDER", help="keep our own side there")
    _add_api(caller)
    return parser


def _add_api(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--api", help="the runtime's API address (default: as it was started here)")
    parser.add_argument("--key", help="its key (default: RUNTIME_API_KEY or the data folder's)")


async def _sip(options: argparse.Namespace) -> int:
    api = Api.find(options.api, options.key)
    if options.action == "status":
        return await show_status(api, options.trunk)
    return await try_trunk(api, options.trunk, options.number)


def _call_request(options: argparse.Namespace) -> CallRequest:
    return CallRequest(
        target=options.target,
        lines=tuple(options.lines or (Spoken("what can you do"), Spoken("goodbye"))),
        transport="tcp" if options.tcp else "udp",
        host=options.host,
        folder=options.record,
        api=options.api,
        key=options.key,
    )


if __name__ == "__main__":
    sys.exit(main())
