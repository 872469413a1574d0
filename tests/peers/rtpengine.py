"""A border controller: Kamailio with rtpengine, plain RTP on one side and SRTP on the other.

rtpengine writes the keys of AEAD_AES_256_GCM without their padding, which stops many phones.
"""

from dataclasses import dataclass

from tests.peers.kamailio import modules
from tests.peers.places import Place

CONFIG = """#!KAMAILIO
debug=2
log_stderror=yes
children=2
auto_aliases=no
listen=udp:{address}:{port}
mpath="{modules}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "rtpengine.so"
modparam("rtpengine", "rtpengine_sock", "udp:127.0.0.1:{ng}")

request_route {{
    if (!mf_process_maxfwd_header("10")) exit;
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (is_method("BYE")) rtpengine_delete();
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK") && t_check_trans()) t_relay();
        exit;
    }}
    record_route();
    rtpengine_offer("{secured} replace-origin ICE=remove");
    t_on_reply("ANSWER");
    $du = "sip:{address}:{next}";
    t_relay();
}}
onreply_route[ANSWER] {{
    if (has_body("application/sdp")) rtpengine_answer("RTP/AVP replace-origin ICE=remove");
}}
"""

SECURED = {
    "AEAD_AES_256_GCM inline:****": "RTP/SAVP SDES-only-AEAD_AES_256_GCM",
    "AES_CM_128_HMAC_SHA1_80 inline:****": "RTP/SAVP SDES-only-AES_CM_128_HMAC_SHA1_80",
    "UDP/TLS/RTP/SAVP 0": "UDP/TLS/RTP/SAVP rtcp-mux-require",
}
"""What is offered onward, by what its session description then holds."""


@dataclass(slots=True)
class BorderController:
    """Takes calls on `port` and passes them on, secured."""

    port: int

    @classmethod
    def start(cls, place: Place, onward: int, secured: str) -> "BorderController":
        """Start both programs; calls go on to the port `onward` of the same address."""
        folder = place.folder / "border"
        folder.mkdir()
        port, ng = place.free_port(), place.free_port()
        low, high = place.free_range(60)
        relay = ["rtpengine", "--table=-1", f"--interface={place.address}", "--foreground"]
        relay += [f"--listen-ng=127.0.0.1:{ng}", "--log-stderr", f"--port-min={low}"]
        place.start("rtpengine", [*relay, f"--port-max={high}"]).wait_listening("udp", ng)
        config = folder / "kamailio.cfg"
        config.write_text(
            CONFIG.format(
                address=place.address,
                port=port,
                ng=ng,
                next=onward,
                modules=modules(),
                secured=SECURED[secured],
            )
        )
        command = ["kamailio", "-f", str(config), "-DD", "-E", "-Y", str(folder)]
        proxy = place.start("border", [*command, "-P", str(folder / "pid")], cwd=folder)
        proxy.wait_listening("udp", port)
        return cls(port)
