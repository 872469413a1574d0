"""How long an INVITE takes to be read, beside other Python SIP libraries in the same run.

    .venv/bin/python -m bench.parser [folder of a virtual environment with the others]

The message is an INVITE of 1.2 kB as a carrier sends it; read are the headers that a called user
agent looks at: Request-URI, Via, From, To, Call-ID, CSeq, Contact, Max-Forwards, Record-Route,
Content-Type, Allow, Supported. To compare, make an environment of its own:

    python3 -m venv /tmp/others && /tmp/others/bin/pip install sipmessage==0.7.1 sippy==2.5.0 \\
        aiosipua==0.7.1 opensip==0.2.1

Every library runs in a process of its own; the rounds are interleaved, so that a busy machine slows
all of them alike.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS, TIMES = 7, 400

INVITE = (
    "INVITE sip:+4930123456@203.0.113.5:5060;transport=udp SIP/2.0\r\n"
    "Record-Route: <sip:198.51.100.10;lr;ftag=as58f4;did=e15.cf1>\r\n"
    "Record-Route: <sip:198.51.100.11:5060;r2=on;lr=on>\r\n"
    "Via: SIP/2.0/UDP 198.51.100.10:5060;branch=z9hG4bK4b1d.7d5d8f3f.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.77:5060;received=192.0.2.77;branch=z9hG4bK776asdhds;rport=5060\r\n"
    'From: "Alice Example" <sip:+14155550100@carrier.example.com;user=phone>;tag=as58f4a1\r\n'
    "To: <sip:+4930123456@carrier.example.com;user=phone>\r\n"
    "Contact: <sip:+14155550100@192.0.2.77:5060;transport=udp>\r\n"
    "Call-ID: 3848276298220188511@carrier.example.com\r\n"
    "CSeq: 102 INVITE\r\n"
    "Max-Forwards: 66\r\n"
    "User-Agent: Carrier SBC 7.4.1\r\n"
    "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, UPDATE, PRACK\r\n"
    "Supported: replaces, timer, 100rel\r\n"
    "P-Asserted-Identity: <sip:+14155550100@carrier.example.com;user=phone>\r\n"
    "Session-Expires: 1800\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: {length}\r\n"
    "\r\n"
)
SDP = (
    "v=0\r\no=root 1821 1821 IN IP4 192.0.2.88\r\ns=call\r\nc=IN IP4 192.0.2.88\r\nt=0 0\r\n"
    "m=audio 18442 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
)
MESSAGE = (INVITE.format(length=len(SDP)) + SDP).encode()

READERS = {
    "ours": """
from aywa.sip.message import parse_message
def read():
    m = parse_message(DATA)
    m.check(); m.uri; m.record_route
    for name in ("Max-Forwards", "Content-Type", "Allow", "Supported"): m.headers.first(name)
""",
    "sipmessage 0.7.1": """
from sipmessage import Message
def read():
    m = Message.parse(DATA)
    m.uri, m.via, m.from_address, m.to_address, m.call_id, m.cseq, m.contact, m.max_forwards
    m.record_route, m.content_type, m.supported
""",
    "sippy 2.5.0": """
from sippy.SipRequest import SipRequest
TEXT = DATA.decode()
NAMES = ("via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "record-route",
         "content-type", "allow", "supported")
def read():
    m = SipRequest(TEXT)
    m.getRURI()
    for name in NAMES:
        for field in m.getHFs(name):
            body = field.body
            try:
                body.getUrl()
            except AttributeError:
                str(body)
""",
    "aiosipua 0.7.1": """
from aiosipua import SipMessage
def read():
    m = SipMessage.parse(DATA.decode())
    m.via, m.from_addr, m.to_addr, m.call_id, m.cseq, m.contact
    m.get_header("Max-Forwards"), m.get_header("Content-Type"), m.get_header("Allow")
    m.get_header("Supported"), m.get_header("Record-Route")
""",
    "opensip 0.2.1": """
from opensip.message import parse_message
def read():
    m = parse_message(DATA)
    m.cseq, m.call_id
    for name in ("Via", "From", "To", "Call-ID", "CSeq", "Contact", "Max-Forwards"):
        m.headers.get(name)
""",
}

TIMER = """
import json, sys, time
DATA = {data!r}
{reader}
read()
times = []
for _ in range({times}):
    began = time.perf_counter_ns(); read(); times.append(time.perf_counter_ns() - began)
times.sort()
print(json.dumps(times[len(times) // 2] / 1000))
"""


def main(others: Path | None) -> None:
    """Measure and print µs a message, and the ratio to ours."""
    rounds: dict[str, list[float]] = {name: [] for name in READERS}
    failed: dict[str, str] = {}
    for _ in range(ROUNDS):
        for name, reader in READERS.items():
            python = Path(sys.executable) if name == "ours" else (others or Path()) / "bin/python"
            if (others is None and name != "ours") or name in failed:
                continue
            code = TIMER.format(data=MESSAGE, reader=reader, times=TIMES)
            ran = subprocess.run(
                [str(python), "-c", code], capture_output=True, text=True, check=False
            )
            if ran.returncode:
                failed[name] = ran.stderr.strip().rsplit("\n", 1)[-1]
            else:
                rounds[name].append(json.loads(ran.stdout))
    ours = statistics.median(rounds["ours"])
    print(f"INVITE of {len(MESSAGE)} octets, median of {ROUNDS} rounds of {TIMES}")
    for name, times in rounds.items():
        if times:
            middle = statistics.median(times)
            print(f"  {name:18} {middle:8.1f} µs   {middle / ours:5.2f} of ours")
    for name, why in failed.items():
        print(f"  {name:18} cannot be measured: {why}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
