"""The four transaction machines, cell by cell, against RFC 3261 §17 and RFC 6026."""

import pytest

from aywa.sip.message import Message, Request, Response, parse_message
from aywa.sip.settings import UserAgentSettings
from aywa.sip.transaction import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    Effect,
    Fail,
    Machine,
    PassUp,
    Send,
    SetTimer,
    Signal,
    State,
    StopTimer,
    Transaction,
)
from aywa.sip.transport import Hop, Route

from .test_requests import request

SETTINGS = UserAgentSettings("192.0.2.2")
MACHINES = (INVITE_CLIENT, NON_INVITE_CLIENT, INVITE_SERVER, NON_INVITE_SERVER)
S = Signal

STORY = tuple[Signal, ...]
"""Signals that lead a transaction to the state in question."""


def transaction(machine: Machine, transport: str = "udp") -> Transaction:
    method = "INVITE" if machine in (INVITE_CLIENT, INVITE_SERVER) else "OPTIONS"
    first = parse_message(request(method))
    assert isinstance(first, Request)
    hop = Hop("tcp" if transport == "tcp" else "udp", "192.0.2.9", 5060)
    return Transaction(("z9hG4bK-1",), machine, first, Route(hop), SETTINGS)


def message(signal: Signal, one: Transaction) -> Message | None:
    status = {S.PROVISIONAL: 180, S.SUCCESS: 200, S.REJECTION: 486}.get(signal)
    return one.request.response(status, to_tag="t") if status else None


def tell(machine: Machine, *story: Signal, transport: str = "udp") -> tuple[State, list[Effect]]:
    """The state after a story, and what its last signal asked for."""
    one = transaction(machine, transport)
    effects: list[Effect] = []
    for signal in story:
        effects = one.signal(signal, message(signal, one))
    return one.state, effects


def short(effects: list[Effect]) -> set[str]:
    """Effects in words: `send 180`, `again ACK`, `up 200`, `fail timeout`, `A=0.5`, `-A`."""
    words = set()
    for effect in effects:
        match effect:
            case Send(sent, again):
                name = sent.method if isinstance(sent, Request) else str(sent.status)
                words.add(f"{'again' if again else 'send'} {name}")
            case PassUp(response):
                words.add(f"up {response.status}")
            case Fail(kind):
                words.add(f"fail {kind}")
            case SetTimer(name, after_s):
                words.add(f"{name}={after_s:g}")
            case StopTimer(name):
                words.add(f"-{name}")
    return words


CLIENT_INVITE: list[tuple[STORY, State, set[str]]] = [
    ((S.START,), State.CALLING, {"send INVITE", "A=0.5", "B=32"}),
    ((S.START, S.TIMER_A), State.CALLING, {"again INVITE", "A=1"}),
    ((S.START, S.TIMER_A, S.TIMER_A), State.CALLING, {"again INVITE", "A=2"}),
    ((S.START, S.TIMER_B), State.TERMINATED, {"fail timeout", "-A", "-B"}),
    ((S.START, S.TRANSPORT_ERROR), State.TERMINATED, {"fail transport", "-A", "-B"}),
    ((S.START, S.PROVISIONAL), State.PROCEEDING, {"up 180", "-A", "-B"}),
    ((S.START, S.PROVISIONAL, S.PROVISIONAL), State.PROCEEDING, {"up 180"}),
    ((S.START, S.PROVISIONAL, S.TIMER_A), State.PROCEEDING, set()),
    ((S.START, S.SUCCESS), State.ACCEPTED, {"up 200", "-A", "-B", "M=32"}),
    ((S.START, S.PROVISIONAL, S.SUCCESS), State.ACCEPTED, {"up 200", "M=32"}),
    ((S.START, S.SUCCESS, S.SUCCESS), State.ACCEPTED, {"up 200"}),
    ((S.START, S.SUCCESS, S.REJECTION), State.ACCEPTED, set()),
    ((S.START, S.SUCCESS, S.TIMER_M), State.TERMINATED, {"-M"}),
    ((S.START, S.REJECTION), State.COMPLETED, {"send ACK", "up 486", "-A", "-B", "D=32"}),
    ((S.START, S.PROVISIONAL, S.REJECTION), State.COMPLETED, {"send ACK", "up 486", "D=32"}),
    ((S.START, S.REJECTION, S.REJECTION), State.COMPLETED, {"send ACK"}),
    ((S.START, S.REJECTION, S.SUCCESS), State.COMPLETED, set()),
    ((S.START, S.REJECTION, S.TRANSPORT_ERROR), State.TERMINATED, {"fail transport", "-D"}),
    ((S.START, S.REJECTION, S.TIMER_D), State.TERMINATED, {"-D"}),
]

CLIENT_OTHER: list[tuple[STORY, State, set[str]]] = [
    ((S.START,), State.TRYING, {"send OPTIONS", "E=0.5", "F=32"}),
    ((S.START, S.TIMER_E), State.TRYING, {"again OPTIONS", "E=1"}),
    ((S.START, *[S.TIMER_E] * 5), State.TRYING, {"again OPTIONS", "E=4"}),
    ((S.START, S.TIMER_F), State.TERMINATED, {"fail timeout", "-E", "-F"}),
    ((S.START, S.TRANSPORT_ERROR), State.TERMINATED, {"fail transport", "-E", "-F"}),
    ((S.START, S.PROVISIONAL), State.PROCEEDING, {"up 180"}),
    ((S.START, S.PROVISIONAL, S.TIMER_E), State.PROCEEDING, {"again OPTIONS", "E=4"}),
    ((S.START, S.PROVISIONAL, S.TIMER_F), State.TERMINATED, {"fail timeout", "-E", "-F"}),
    ((S.START, S.PROVISIONAL, S.TRANSPORT_ERROR), State.TERMINATED,
     {"fail transport", "-E", "-F"}),
    ((S.START, S.PROVISIONAL, S.SUCCESS), State.COMPLETED, {"up 200", "-E", "-F", "K=5"}),
    ((S.START, S.PROVISIONAL, S.PROVISIONAL), State.PROCEEDING, {"up 180"}),
    ((S.START, S.PROVISIONAL, S.REJECTION), State.COMPLETED, {"up 486", "-E", "-F", "K=5"}),
    ((S.START, S.SUCCESS), State.COMPLETED, {"up 200", "-E", "-F", "K=5"}),
    ((S.START, S.REJECTION), State.COMPLETED, {"up 486", "-E", "-F", "K=5"}),
    ((S.START, S.SUCCESS, S.SUCCESS), State.COMPLETED, set()),
    ((S.START, S.SUCCESS, S.TIMER_E), State.COMPLETED, set()),
    ((S.START, S.SUCCESS, S.TIMER_K), State.TERMINATED, {"-K"}),
]  # fmt: skip

SERVER_INVITE: list[tuple[STORY, State, set[str]]] = [
    ((S.REQUEST,), State.PROCEEDING, set()),
    ((S.PROVISIONAL,), State.PROCEEDING, {"send 180"}),
    ((S.PROVISIONAL, S.REQUEST), State.PROCEEDING, {"again 180"}),
    ((S.SUCCESS,), State.ACCEPTED, {"send 200", "L=32"}),
    ((S.SUCCESS, S.REQUEST), State.ACCEPTED, set()),
    ((S.SUCCESS, S.SUCCESS), State.ACCEPTED, {"again 200"}),
    ((S.SUCCESS, S.ACK), State.ACCEPTED, set()),
    ((S.SUCCESS, S.TIMER_L), State.TERMINATED, {"-L"}),
    ((S.REJECTION,), State.COMPLETED, {"send 486", "G=0.5", "H=32"}),
    ((S.REJECTION, S.REQUEST), State.COMPLETED, {"again 486"}),
    ((S.REJECTION, S.TIMER_G), State.COMPLETED, {"again 486", "G=1"}),
    ((S.REJECTION, *[S.TIMER_G] * 5), State.COMPLETED, {"again 486", "G=4"}),
    ((S.REJECTION, S.TIMER_H), State.TERMINATED, {"-G", "-H"}),
    ((S.REJECTION, S.ACK), State.CONFIRMED, {"-G", "-H", "I=5"}),
    ((S.REJECTION, S.ACK, S.ACK), State.CONFIRMED, set()),
    ((S.REJECTION, S.ACK, S.REQUEST), State.CONFIRMED, set()),
    ((S.REJECTION, S.ACK, S.TIMER_I), State.TERMINATED, {"-I"}),
]

SERVER_OTHER: list[tuple[STORY, State, set[str]]] = [
    ((S.REQUEST,), State.TRYING, set()),
    ((S.PROVISIONAL,), State.PROCEEDING, {"send 180"}),
    ((S.PROVISIONAL, S.REQUEST), State.PROCEEDING, {"again 180"}),
    ((S.SUCCESS,), State.COMPLETED, {"send 200", "J=32"}),
    ((S.REJECTION,), State.COMPLETED, {"send 486", "J=32"}),
    ((S.PROVISIONAL, S.SUCCESS), State.COMPLETED, {"send 200", "J=32"}),
    ((S.PROVISIONAL, S.REJECTION), State.COMPLETED, {"send 486", "J=32"}),
    ((S.PROVISIONAL, S.PROVISIONAL), State.PROCEEDING, {"send 180"}),
    ((S.SUCCESS, S.REQUEST), State.COMPLETED, {"again 200"}),
    ((S.SUCCESS, S.SUCCESS), State.COMPLETED, set()),
    ((S.SUCCESS, S.TIMER_J), State.TERMINATED, {"-J"}),
]

CASES = [
    (machine, *case)
    for machine, cases in zip(
        MACHINES, (CLIENT_INVITE, CLIENT_OTHER, SERVER_INVITE, SERVER_OTHER), strict=True
    )
    for case in cases
]


@pytest.mark.parametrize(
    ("machine", "story", "state", "effects"),
    CASES,
    ids=[f"{case[0].name}: {' '.join(s.name for s in case[1])}" for case in CASES],
)
def test_a_story_leads_where_the_rfc_says(
    machine: Machine, story: STORY, state: State, effects: set[str]
) -> None:
    after, asked = tell(machine, *story)
    assert (after, short(asked)) == (state, effects)


def test_the_stories_visit_every_cell_of_the_tables() -> None:
    visited = set()
    for machine, story, *_ in CASES:
        one = transaction(machine)
        for signal in story:
            visited.add((machine.name, one.state, signal))
            one.signal(signal, message(signal, one))
    cells = {(m.name, *cell) for m in MACHINES for cell in m.table}
    assert cells <= visited


@pytest.mark.parametrize("machine", MACHINES, ids=[m.name for m in MACHINES])
def test_what_no_table_names_changes_nothing(machine: Machine) -> None:
    one = transaction(machine)
    for state in State:
        for signal in Signal:
            if (state, signal) in machine.table:
                continue
            one.state = state
            assert one.signal(signal, message(signal, one)) == []
            assert one.state is state


@pytest.mark.parametrize(
    ("machine", "story", "effects"),
    [
        (INVITE_CLIENT, (S.START,), {"send INVITE", "B=32"}),
        (INVITE_CLIENT, (S.START, S.REJECTION), {"send ACK", "up 486", "-A", "-B", "D=0"}),
        (NON_INVITE_CLIENT, (S.START,), {"send OPTIONS", "F=32"}),
        (NON_INVITE_CLIENT, (S.START, S.SUCCESS), {"up 200", "-E", "-F", "K=0"}),
        (INVITE_SERVER, (S.REJECTION,), {"send 486", "H=32"}),
        (INVITE_SERVER, (S.REJECTION, S.ACK), {"-G", "-H", "I=0"}),
        (INVITE_SERVER, (S.SUCCESS,), {"send 200", "L=32"}),
        (NON_INVITE_SERVER, (S.SUCCESS,), {"send 200", "J=0"}),
    ],
)
def test_a_reliable_transport_repeats_nothing_and_waits_for_no_stragglers(
    machine: Machine, story: STORY, effects: set[str]
) -> None:
    assert short(tell(machine, *story, transport="tcp")[1]) == effects


def test_the_ack_for_a_rejection_is_made_of_its_invite() -> None:
    _, effects = tell(INVITE_CLIENT, S.START, S.REJECTION)
    [ack] = [e.message for e in effects if isinstance(e, Send)]
    assert isinstance(ack, Request)
    assert (ack.via.branch, ack.cseq.sequence, ack.to.tag) == ("z9hG4bK-1", 1, "t")
    assert (ack.target, ack.call_id) == ("sip:bob@192.0.2.2", "call-1")


def test_a_response_is_one_of_three_signals() -> None:
    assert [Signal.of_status(s) for s in (100, 199, 200, 299, 300, 699)] == [
        S.PROVISIONAL, S.PROVISIONAL, S.SUCCESS, S.SUCCESS, S.REJECTION, S.REJECTION,
    ]  # fmt: skip
    assert isinstance(message(S.SUCCESS, transaction(INVITE_SERVER)), Response)
