"""The examples of docs/trunks.md are taken by the API."""

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from aywa.api.schemas.call import CallRequest
from aywa.api.schemas.credential import Credential
from aywa.api.schemas.phone_number import PhoneNumber
from aywa.api.schemas.validation import check
from aywa.calls.trunks import read_trunk

PAGE = (Path(__file__).parents[2] / "docs" / "trunks.md").read_text()
EXAMPLES = re.findall(r"```json (\S+)\n(.*?)```", PAGE, re.DOTALL)
MODELS: dict[str, type[BaseModel]] = {
    "credential": Credential,
    "phone-number": PhoneNumber,
    "call": CallRequest,
}


@pytest.mark.parametrize(("kind", "text"), EXAMPLES)
def test_an_example_is_taken(kind: str, text: str) -> None:
    body = json.loads(text)
    check(MODELS[kind], body)
    if kind == "credential":
        assert read_trunk(body | {"id": "1", "orgId": "1"}).gateways


def test_every_key_of_a_trunk_is_told() -> None:
    from aywa.api.schemas.credential import Gateway, TrunkSip

    for model in (Credential, Gateway, TrunkSip):
        for name in model.model_fields:
            assert re.search(rf"`(?:\S*[.\]])?{name}\b", PAGE), name
