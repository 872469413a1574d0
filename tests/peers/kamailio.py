"""Kamailio: a registrar and proxy that asks for digest authentication, as a carrier does."""

from dataclasses import dataclass
from pathlib import Path

from tests.peers.places import Place, Program

REALM = "trunk.test"
PASSWORD = "correct horse"

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
modparam("registrar", "default_expires", 60)
modparam("auth", "qop", "auth")
modparam("auth", "nonce_count", 1)

request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (!sanity_check()) exit;
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
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
    # The gateway is known by its address, everybody else by a password.
    if (is_method("INVITE") && !($si == "{gateway_host}" && $sp == {gateway_port})) {{
        if (!pv_proxy_authenticate("{realm}", "{password}", "0")) {{
            proxy_challenge("{realm}", "1");
            exit;
        }}
        consume_credentials();
    }}
    record_route();
    if (!lookup("location")) {{
        if ($si == "{gateway_host}" && $sp == {gateway_port}) {{
            sl_send_reply("404", "Not Found");
            exit;
        }}
        $du = "sip:{gateway_host}:{gateway_port}";
    }}
    t_relay();
}}
"""


def modules() -> str:
    """Where Debian keeps Kamailio's modules."""
    [folder] = Path("/usr/lib").glob("*/kamailio/modules")
    return f"{folder}/"


@dataclass(slots=True)
class Kamailio:
    """A running Kamailio. `sip:NAME@trunk.test` is a registered phone, or else at the gateway."""

    program: Program
    address: str
    port: int

    @classmethod
    def start(cls, place: Place, gateway: tuple[str, int] = ("127.0.0.1", 9)) -> "Kamailio":
        """Start it and wait until it listens. `gateway` may call without a password, and gets every
        call to a name that is not registered."""
        port = place.free_port()
        config = place.folder / "kamailio.cfg"
        config.write_text(
            CONFIG.format(
                address=place.address,
                port=port,
                realm=REALM,
                password=PASSWORD,
                modules=modules(),
                gateway_host=gateway[0],
                gateway_port=gateway[1],
            )
        )
        words = ["-f", str(config), "-DD", "-E", "-m", "32", "-M", "4", "-Y", str(place.folder)]
        program = place.start("kamailio", ["kamailio", *words])
        program.wait_listening("udp", port)
        program.wait_listening("tcp", port)
        return cls(program, place.address, port)
