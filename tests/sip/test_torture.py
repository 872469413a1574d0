"""The RFC 4475 messages: what a user agent answers to each, over datagrams and over streams."""

import csv
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aywa.sip.doorkeeper import Challenged
from aywa.sip.message import Request, Response, SipParseError, StreamParser, parse_message
from aywa.sip.transport import Hop

from .conftest import Wire
from .test_doorkeeper import behind

TORTURE = Path(__file__).parents[2] / ".." / "shared" / "data" / "torture" / "rfc4475"
LIMIT_S = 0.050

ANSWERS: dict[str, int | None] = {
    # Valid. A REGISTER is for a registrar, a MESSAGE out of a call is not for us: both 405.
    "wsinv": 481, "intmeth": 501, "esc01": 100, "escnull": 405, "esc02": 501, "lwsdisp": 200,
    "longreq": 100, "dblreq": 405, "semiuri": 200, "transports": 200, "mpart01": 405,
    "unreason": None, "noreason": None,
    # Invalid.
    "badinv01": None, "clerr": 400, "ncl": 400, "scalar02": 400, "scalarlg": None,
    "quotbal": 400, "ltgtruri": 400, "lwsruri": 400, "lwsstart": 400, "trws": 400,
    "escruri": 400, "baddate": 400, "regbadct": 400, "badaspec": 400, "baddn": 400,
    "badvers": 505, "mismatch01": 400, "mismatch02": 400, "bigcode": None,
    # Well formed, and the answer is the application's.
    "badbranch": 200, "insuf": 400, "unkscm": 416, "novelsc": 416, "unksm2": 405, "bext01": 420,
    "invut": 415, "regaut01": 405, "multi01": 400, "mcl01": 400, "bcast": None, "zeromf": 200,
    "cparam01": 405, "cparam02": 405, "regescrt": 405, "sdp01": 406, "inv2543": 100,
    # In the archive, but described nowhere.
    "test": None,
}  # fmt: skip
"""The status of our answer; None for none."""

STREAM_ANSWERS: dict[str, int | None] = ANSWERS | {
    "clerr": None,  # the rest of the body is waited for
    "baddn": None,  # and here the end of the headers
}

pytestmark = pytest.mark.skipif(
    not TORTURE.is_dir(), reason="the RFC 4475 messages are not on this machine"
)


def torture() -> Iterator[tuple[str, str, bytes]]:
    """Name, class and bytes of each message."""
    if not TORTURE.is_dir():
        return
    with (TORTURE / "INDEX.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            name = row["file"].removesuffix(".dat")
            yield name, row["class"], (TORTURE / row["file"]).read_bytes()


def answer_of(data: list[bytes], hop: Hop) -> int | None:
    """The status that Bob gives to a message; and it must not take him long."""
    wire = Wire()
    statuses = []
    for one in data:
        start = time.thread_time()
        wire.bob.agent.receive(one, hop, wire.now)
        took = time.thread_time() - start
        assert took < LIMIT_S, f"{took * 1000:.1f} ms"
        statuses += [parse_message(m.data) for m in wire.bob.agent.messages_to_send()]
    codes = [m.status for m in statuses if isinstance(m, Response)]
    return codes[0] if codes else None


def readable(messages: list[bytes], parser: StreamParser) -> list[bytes]:
    """What came out; when the framing is lost, what follows the headers is of no use."""
    return [m.partition(b"\r\n\r\n")[0] for m in messages] if parser.lost else messages


def test_every_message_has_its_answer() -> None:
    assert {name for name, _, _ in torture()} == set(ANSWERS)
    assert len(ANSWERS) == 50


@pytest.mark.parametrize(("name", "kind", "data"), list(torture()), ids=lambda v: str(v)[:10])
def test_over_datagrams(name: str, kind: str, data: bytes) -> None:
    assert answer_of([data], Hop("udp", "192.0.2.9", 5060)) == ANSWERS[name]
    try:
        message = parse_message(data)
        message.check()
        read = True
    except SipParseError:
        read = False
    if kind == "valid":
        assert read
        assert isinstance(message, Request) or ANSWERS[name] is None
    if kind == "invalid" and read:  # what can be read is refused all the same
        assert ANSWERS[name] in {400, 505}


@pytest.mark.parametrize(("name", "kind", "data"), list(torture()), ids=lambda v: str(v)[:10])
def test_over_a_stream_cut_at_every_byte(name: str, kind: str, data: bytes) -> None:
    whole = StreamParser()
    messages = whole.feed(data)
    for cut in range(1, len(data)):
        parser = StreamParser()
        pieces = parser.feed(data[:cut]) + parser.feed(data[cut:])
        assert readable(pieces, parser) == readable(messages, whole)
        assert (parser.lost, parser.partial) == (whole.lost, whole.partial)
    single = StreamParser()
    pieces = [m for at in range(len(data)) for m in single.feed(data[at : at + 1])]
    assert readable(pieces, single) == readable(messages, whole)
    assert answer_of(messages, Hop("tcp", "192.0.2.9", 40_000)) == STREAM_ANSWERS[name]
    if name in {"ncl", "mcl01"}:  # nobody knows where the next message begins
        assert whole.lost
    if name in {"clerr", "baddn"}:
        assert whole.partial


def test_an_authorization_of_an_unknown_scheme_is_challenged_anew() -> None:
    wire = Wire()
    behind(wire, Challenged("pbx.example", lambda _: None))
    [data] = [data for name, _, data in torture() if name == "regaut01"]
    [response] = map(parse_message, wire.raw(data))
    assert isinstance(response, Response)
    assert response.status == 401
    assert response.headers.first("WWW-Authenticate")


def test_one_message_harms_no_other() -> None:
    """All of them to one agent, in turn, forwards and backwards: it still serves."""
    wire = Wire()
    everything = [data for _, _, data in torture()]
    for data in everything + everything[::-1]:
        wire.raw(data)
    wire.run(60)
    wire.call()
    wire.run(0.5)
    assert wire.alice.agent.counters.faults == 0
    assert wire.count("bob", b"SIP/2.0 100") >= 1
