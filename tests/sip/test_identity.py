"""Who calls: identity, privacy and diversion headers, and the PASSporT."""

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aywa.sip.identity import caller_identity


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


PAYLOAD: dict[str, Any] = {
    "attest": "A",
    "dest": {"tn": ["4930123456"]},
    "iat": 1443208345,
    "orig": {"tn": "14155550100"},
    "origid": "123e4567-e89b-12d3-a456-426655440000",
}
HEADER = {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": "https://cert.example/p.cer"}
IDENTITY = (
    f"{part(HEADER)}.{part(PAYLOAD)}.c2lnbmF0dXJl"
    ';info=<https://cert.example/p.cer>;alg=ES256;ppt="shaken"'
)


def test_every_header_is_told_as_it_came() -> None:
    identity = caller_identity(
        [
            ("P-Asserted-Identity", '"Ann Lee" <sip:+14155550100@carrier.test;user=phone>'),
            ("P-Asserted-Identity", "<tel:+14155550100;ext=1>"),
            ("Remote-Party-ID", "<sip:200@pbx.test>;party=calling;privacy=full"),
            ("Privacy", "id; critical"),
            ("Diversion", "<sip:+4930111@carrier.test>;reason=no-answer;counter=2, <sip:b@c>"),
            ("History-Info", "<sip:one@x?Reason=SIP%3Bcause%3D486>;index=1, <sip:two@x>;index=1.1"),
            ("Identity", IDENTITY),
        ]
    )
    assert identity.number == "+14155550100"
    assert identity.is_private
    assert identity.passports[0].attestation == "A"
    document = identity.as_document()
    assert document["assertedIdentity"][0] == {
        "uri": "sip:+14155550100@carrier.test;user=phone",
        "name": "Ann Lee",
    }
    assert document["diversion"][0]["parameters"] == {"reason": "no-answer", "counter": "2"}
    assert [entry["parameters"]["index"] for entry in document["historyInfo"]] == ["1", "1.1"]
    [passport] = document["stirShaken"]
    assert passport["payload"] == PAYLOAD
    assert passport["header"] == HEADER
    assert passport["parameters"]["info"] == "https://cert.example/p.cer"
    assert (passport["identity"], passport["verified"]) == (IDENTITY, False)


def test_what_cannot_be_read_is_left_out() -> None:
    broken = [
        ("P-Asserted-Identity", '"unclosed <sip:a@b>'),
        ("Diversion", "<not a uri>"),
        ("Identity", "a.b.c"),
        ("Identity", f"{part([1])}.{part(PAYLOAD)}.x"),
        ("Identity", "x" * 20_000),
    ]
    identity = caller_identity(broken)
    assert identity.as_document() == {}
    assert identity.number is None
    assert not identity.is_private


@given(st.lists(st.tuples(st.sampled_from(["Identity", "Diversion", "Privacy"]), st.text())))
def test_no_header_breaks_the_reader(headers: list[tuple[str, str]]) -> None:
    json.dumps(caller_identity(headers).as_document())
