"""A carrier: Kamailio as the registrar and gateway of a SIP trunk.

Whoever proves the account by digest may register and call; calls to numbers go to `phone`, calls to
the account's name go to where it is registered.
"""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.kamailio import modules
from tests.peers.places import Place, Program

REALM = "carrier.test"
PASSWORD = "correct horse battery"

CONFIG = """#!KAMAILIO
debug=2
log_stderror=yes
children=2
tcp_children=2
auto_aliases=no
listen=udp:{address}:{port}
listen=tcp:{address}:{port}
alias="{realm}"
mpath="{modules}"
loadmodule "jsonrpcs.so"
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "sanity.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
modparam("registrar", "min_expires", 1)
modparam("registrar", "max_expires", {expires})
modparam("registrar", "default_expires", {expires})
modparam("auth", "qop", "auth")
modparam("auth", "nonce_count", 1)
modparam("auth", "nonce_expire", {nonce_expire})
modparam("auth", "algorithm", "{algorithm}")
modparam("jsonrpcs", "transport", 4)
modparam("jsonrpcs", "dgram_socket", "{folder}/rpc.sock")

request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (!sanity_check()) exit;
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (lookup("location")) {{ t_relay(); exit; }}  # SIPp's own scenarios know no routes
        if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
        sl_send_reply("404", "Not Here");
        exit;
    }}
    if (is_method("OPTIONS") && uri == myself) {{ sl_send_reply("200", "OK"); exit; }}
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("{realm}", "{password}", "0")) {{
            www_challenge("{realm}", "1");
            exit;
        }}
        if (!save("location")) sl_reply_error();
        exit;
    }}
    if (is_method("INVITE") && $sp != {phone}) {{
        if (!pv_proxy_authenticate("{realm}", "{password}", "0")) {{
            proxy_challenge("{realm}", "1");
            exit;
        }}
        consume_credentials();
    }}
    record_route();
    if (lookup("location")) {{ t_relay(); exit; }}
    if ($rU =~ "^[0-9+]+$") {{ $du = "sip:{address}:{phone}"; t_relay(); exit; }}
    sl_send_reply("404", "Not Found");
}}
"""


@dataclass(slots=True)
class Carrier:
    """A running carrier."""

    place: Place
    program: Program
    port: int
    phone: int
    """The port where numbers of the carrier are answered, by whatever a test starts there."""
    folder: Path

    @classmethod
    def start(
        cls,
        place: Place,
        *,
        port: int | None = None,
        expires: int = 120,
        nonce_expire: int = 300,
        algorithm: str = "MD5",
        phone: int | None = None,
    ) -> "Carrier":
        """Start it and wait until it listens."""
        folder = place.folder / f"carrier-{len(place.programs)}"
        folder.mkdir()
        port, phone = port or place.free_port(), phone or place.free_port()
        config = folder / "kamailio.cfg"
        config.write_text(
            CONFIG.format(
                address=place.address,
                port=port,
                phone=phone,
                realm=REALM,
                password=PASSWORD,
                modules=modules(),
                expires=expires,
                nonce_expire=nonce_expire,
                algorithm=algorithm,
                folder=folder,
            )
        )
        command = ["kamailio", "-f", str(config), "-DD", "-E", "-Y", str(folder)]
        program = place.start("carrier", [*command, "-P", str(folder / "pid")], cwd=folder)
        program.wait_listening("udp", port)
        return cls(place, program, port, phone, folder)

    def trunk(self, account: str, **more: Any) -> Mapping[str, Any]:
        """The credential that a customer of the carrier would store."""
        return {
            "provider": "byo-sip-trunk",
            "name": account,
            "gateways": [{"ip": self.place.address, "port": self.port}],
            "outboundAuthenticationPlan": {
                "authUsername": account,
                "authPassword": PASSWORD,
                "sipRegisterPlan": {"domain": f"{self.place.address}:{self.port}", "realm": REALM},
            },
            **more,
        }

    def bindings(self) -> list[str]:
        """The Contact URIs that are registered."""
        shown = self.ask("ul.dump")
        found: list[str] = []

        def walk(value: Any) -> None:
            if isinstance(value, dict):
                found.extend(text for key, text in value.items() if key == "Address")
                for inner in value.values():
                    walk(inner)
            elif isinstance(value, list):
                for inner in value:
                    walk(inner)

        walk(shown)
        return found

    def ask(self, method: str) -> Any:
        """Call a method of Kamailio's RPC."""
        here = self.folder / "answer.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.settimeout(5)
            here.unlink(missing_ok=True)
            one.bind(str(here))
            request = {"jsonrpc": "2.0", "method": method, "id": 1}
            one.sendto(json.dumps(request).encode(), str(self.folder / "rpc.sock"))
            return json.loads(one.recv(1_000_000)).get("result")

    def stop(self) -> None:
        """End it, as a crash of the carrier's machine would."""
        self.program.kill()
