"""Digest authentication, against the examples of the standards and between our two sides."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.base.ids import SeededEntropy
from aywa.sip.digest import Authenticator, Challenge, Credentials, digest
from aywa.sip.digest_server import NONCE_S, NONCES_REMEMBERED, DigestServer
from aywa.sip.doorkeeper import Account
from aywa.sip.message import Headers, Request, Response, SipParseError
from aywa.sip.message.credentials import AuthValue, parse_auth

REALM = "trunk.test"
ALICE = Account("alice", "s3cret")


def request(method: str = "REGISTER", target: str = "sip:trunk.test") -> Request:
    return Request(method, target, Headers())


def asked(status: int, *challenges: str) -> Response:
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    return Response(status, "Who?", Headers([(name, text) for text in challenges]))


def account_of(username: str) -> Account | None:
    return ALICE if username == "alice" else None


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: str, response: str) -> None:
    [value] = parse_auth(
        'Digest realm="http-auth@example.org", qop="auth, auth-int", '
        f'algorithm={algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"'
    )
    challenge = Challenge.of(value)
    assert challenge is not None
    credentials = Credentials("Mufasa", "Circle of Life")
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    made = digest(credentials, challenge, "GET", "/dir/index.html", "00000001", cnonce)
    assert made == response


def test_a_challenge_without_qop_is_answered_as_in_rfc_2069() -> None:
    challenge = Challenge.of(AuthValue("digest", {"realm": "r", "nonce": "n"}))
    assert challenge is not None
    assert not challenge.qop
    made = digest(Credentials("u", "p"), challenge, "INVITE", "sip:a@b", "", "")
    assert made == "268f5a320f4c7be8a96bd7b8aa197d6b"  # by hand, with md5sum


def test_a_nonce_is_used_again_with_a_rising_count_and_a_new_one_starts_at_one() -> None:
    alice = Authenticator(Credentials("alice", "s3cret"), SeededEntropy(1))
    assert alice.learn(asked(401, 'Digest realm="r", nonce="one", qop="auth"'))
    counts = []
    for _ in range(3):
        sent = request()
        alice.authorize(sent)
        [value] = parse_auth(sent.headers.all("Authorization")[0])
        counts.append((value.get("nonce"), value.get("nc")))
    alice.learn(asked(401, 'Digest realm="r", nonce="two", qop="auth", stale=TRUE'))
    sent = request()
    alice.authorize(sent)
    [value] = parse_auth(sent.headers.all("Authorization")[0])
    counts.append((value.get("nonce"), value.get("nc")))
    assert counts == [
        ("one", "00000001"),
        ("one", "00000002"),
        ("one", "00000003"),
        ("two", "00000001"),
    ]


def test_of_several_challenges_the_first_known_algorithm_of_each_realm_is_answered() -> None:
    alice = Authenticator(Credentials("alice", "s3cret"), SeededEntropy(1))
    learned = alice.learn(
        asked(
            407,
            'Digest realm="a", nonce="1", algorithm=SHA-1024',
            'Digest realm="a", nonce="2", algorithm=SHA-512-256, qop="auth", '
            'Digest realm="a", nonce="3", algorithm=MD5',
            'Basic realm="a"',
            'Digest realm="b", nonce="4", qop="auth-int"',
            'Digest realm="c", nonce="5"',
            "Digest nonsense",
        )
    )
    assert [one.realm for one in learned] == ["a", "c"]
    sent = request()
    alice.authorize(sent)
    [first, second] = [parse_auth(field)[0] for field in sent.headers.all("Proxy-Authorization")]
    assert (first.get("nonce"), first.get("algorithm")) == ("2", "SHA-512-256")
    assert (second.get("nonce"), second.get("algorithm")) == ("5", None)


def test_credentials_of_a_realm_go_to_no_other_and_stay_out_of_sight() -> None:
    credentials = Credentials("alice", "s3cret", "mine")
    alice = Authenticator(credentials, SeededEntropy(1))
    assert alice.learn(asked(401, 'Digest realm="theirs", nonce="1"')) == []
    assert "s3cret" not in repr(credentials)


def answered(server: DigestServer, now: float, algorithm: str = "") -> Callable[[], Request]:
    """A client that answers the server's challenge again and again."""
    client = Authenticator(Credentials("alice", "s3cret"), SeededEntropy(2))
    challenges = [c for c in server.challenge(REALM, now) if algorithm in c]
    client.learn(asked(401, *challenges))

    def again() -> Request:
        sent = request()
        client.authorize(sent)
        return sent

    return again


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_our_two_sides_understand_each_other(algorithm: str) -> None:
    server = DigestServer(SeededEntropy(1))
    send = answered(server, 100.0, algorithm)
    first = send()
    assert server.verify(first, REALM, account_of, 101.0) == ALICE
    assert server.verify(first, REALM, account_of, 101.0) == "stale"  # a replay
    assert server.verify(send(), REALM, account_of, 102.0) == ALICE
    assert server.verify(send(), REALM, account_of, 102.0 + NONCE_S) == "stale"


def test_who_is_not_believed() -> None:
    server = DigestServer(SeededEntropy(1))
    good = answered(server, 100.0)()
    text = good.headers.all("Authorization")[0]

    def judged(field: str, target: str = "sip:trunk.test") -> object:
        sent = request(target=target)
        sent.headers.add("Authorization", field)
        return server.verify(sent, REALM, account_of, 100.0)

    assert server.verify(request(), REALM, account_of, 100.0) == "missing"
    assert judged('Digest realm="') == "unreadable"
    assert judged("Bearer xyz") == "missing"
    assert judged(text.replace('realm="trunk.test"', 'realm="other"')) == "missing"
    assert judged(text.replace('username="alice"', 'username="bob"')) == "unknown"
    assert judged(text.replace('response="', 'response="0')) == "wrong"
    assert judged(text, "sip:elsewhere") == "unreadable"
    assert judged(text.replace("nc=00000001", "nc=00000002")) == "wrong"
    stranger = DigestServer(SeededEntropy(9))
    theirs = answered(stranger, 100.0)()
    assert server.verify(theirs, REALM, account_of, 100.0) == "stale"  # a nonce not of ours


def test_the_memory_of_nonces_is_bounded_and_forgets_on_the_safe_side() -> None:
    server = DigestServer(SeededEntropy(1))
    old = answered(server, 100.0)
    first = old()
    assert server.verify(first, REALM, account_of, 100.0) == ALICE
    for _ in range(NONCES_REMEMBERED):
        assert server.verify(answered(server, 110.0)(), REALM, account_of, 110.0) == ALICE
    assert server.verify(first, REALM, account_of, 110.0) == "stale"


@given(st.text(max_size=300))
def test_no_authentication_header_breaks_the_reader(text: str) -> None:
    try:
        values = parse_auth(text)
    except SipParseError:
        return
    for value in values:
        Challenge.of(value)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}", fullmatch=True),
        st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), max_size=20),
        min_size=1,
        max_size=8,
    )
)
def test_what_is_quoted_is_read_back(parameters: dict[str, str]) -> None:
    from aywa.sip.message.grammar import quoted

    field = "Digest " + ", ".join(f"{k}={quoted(v)}" for k, v in parameters.items())
    assert parse_auth(field) == [AuthValue("digest", parameters)]
