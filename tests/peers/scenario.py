"""SIPp scenarios, written as a list of steps instead of pages of XML.

    call(invite(), *answered(), pause(300), *ended())

Each step is a piece of XML; `call` makes a scenario file of them.
"""

from collections.abc import Sequence
from pathlib import Path

SDP = """v=0
o=- 1 {version} IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] {address}
t=0 0
m=audio {port} RTP/AVP {formats}
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
{lines}"""

_REQUEST = """{method} {uri} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:+14155550100@[local_ip]:[local_port]>;tag=[pid]t[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>{tag}
Call-ID: [call_id]
CSeq: {sequence} {method}
Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>
Max-Forwards: 70
{headers}Content-Length: [len]

{body}"""


def sdp(
    *,
    port: str = "[media_port]",
    address: str = "[media_ip]",
    formats: str = "0 8 101",
    lines: Sequence[str] = ("a=sendrecv",),
    version: int = 1,
) -> str:
    """A session description."""
    return SDP.format(
        version=version, address=address, port=port, formats=formats, lines="\n".join(lines)
    )


def request(
    method: str,
    sequence: int,
    *,
    body: str = "",
    kind: str = "application/sdp",
    headers: Sequence[str] = (),
    first: bool = False,
) -> str:
    """Send a request; `first` outside a dialog."""
    lines = [*headers, *([f"Content-Type: {kind}"] if body else [])]
    text = _REQUEST.format(
        method=method,
        uri="sip:[service]@[remote_ip]:[remote_port]" if first else "[next_url]",
        tag="" if first else "[peer_tag_param]",
        sequence=sequence,
        headers="".join(f"{line}\n" for line in lines),
        body=body,
    )
    retransmit = "" if method == "ACK" else ' retrans="500"'
    return f"<send{retransmit}><![CDATA[\n{text}\n]]></send>"


def invite(*, body: str | None = None, headers: Sequence[str] = ()) -> str:
    """The first INVITE."""
    return request("INVITE", 1, body=sdp() if body is None else body, headers=headers, first=True)


def expect(status: int, *, optional: bool = False) -> str:
    """Receive a response."""
    more = ' optional="true"' if optional else ""
    return f'<recv response="{status}" rtd="true" rrs="true"{more}></recv>'


def expect_request(method: str) -> str:
    """Receive a request."""
    return f'<recv request="{method}" rrs="true"></recv>'


def reply(status: int, reason: str = "OK", *, body: str = "", headers: Sequence[str] = ()) -> str:
    """Answer the last request."""
    lines = [*headers, *(["Content-Type: application/sdp"] if body else [])]
    text = "\n".join(
        [
            f"SIP/2.0 {status} {reason}",
            "[last_Via:]",
            "[last_From:]",
            "[last_To:];tag=[call_number]" if body else "[last_To:]",
            "[last_Call-ID:]",
            "[last_CSeq:]",
            "Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>",
            *lines,
            "Content-Length: [len]",
            "",
            body,
        ]
    )
    return f"<send><![CDATA[\n{text}\n]]></send>"


def pause(milliseconds: int) -> str:
    """Wait."""
    return f'<pause milliseconds="{milliseconds}"/>'


def answered(*, headers: Sequence[str] = ()) -> tuple[str, ...]:
    """The INVITE is answered and acknowledged."""
    return (
        expect(100, optional=True),
        expect(180, optional=True),
        expect(183, optional=True),
        expect(200),
        request("ACK", 1, headers=headers),
    )


def ended(sequence: int = 9) -> tuple[str, ...]:
    """We hang up."""
    return request("BYE", sequence), expect(200)


def call(folder: Path, name: str, *steps: str) -> Path:
    """Write a scenario file."""
    path = folder / f"{name}.xml"
    body = "\n".join(steps)
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="{name}">\n{body}\n</scenario>\n'
    )
    return path
