"""`aywa sip status` and `aywa sip test`: how the SIP trunks are, and whether one works."""

from collections.abc import Iterator
from typing import Any

from .api import Api

Document = dict[str, Any]

MARKS = {True: "ok  ", False: "FAIL"}


async def show_status(api: Api, trunk: str | None) -> int:
    """Print how every trunk is, or one with its last refusals; 1 when one is not well."""
    if trunk:
        shown = [await api.ask("GET", f"/credential/{trunk}/status")]
    else:
        shown = await api.ask("GET", "/sip/status")
    if not shown:
        print("There is no SIP trunk. Add one with POST /credential (docs/trunks.md).")
    for document in shown:
        print("\n".join(_lines(document, refusals=trunk is not None)))
    return int(any(not _is_well(document) for document in shown))


async def try_trunk(api: Api, trunk: str, number: str | None) -> int:
    """Try a trunk, and print the steps and the ladder; 1 when a step failed."""
    body = {"number": number} if number else {}
    result = await api.ask("POST", f"/credential/{trunk}/test", body)
    for step in result["steps"]:
        where = step.get("target") or ""
        status = step.get("status") or ""
        milliseconds = step.get("roundTripMs")
        time = f"{milliseconds:.0f} ms" if milliseconds is not None else ""
        words = " ".join(str(w) for w in (status, step.get("reason"), time) if w)
        print(f"{MARKS[step['ok']]}  {step['step']:<9} {where:<40} {words}")
    print("\n".join(["", *_ladder(result["ladder"])]))
    return int(not result["ok"])


def _is_well(document: Document) -> bool:
    registration = document.get("registration")
    registered = registration is None or registration["state"] == "active"
    return registered and not any(g.get("state") == "down" for g in document["gateways"])


def _lines(document: Document, *, refusals: bool) -> Iterator[str]:
    yield f"{document.get('name') or 'trunk'}  {document['credentialId']}"
    if problem := document.get("problem"):
        yield f"    problem       {problem}"
    if registration := document.get("registration"):
        reply = " ".join(
            str(word) for word in (registration.get("status"), registration.get("reason")) if word
        )
        yield f"    registration  {registration['state']} at {registration['domain']}  {reply}"
        if registration.get("nextAttemptAt"):
            yield f"                  next {registration['nextAttemptAt']}"
    for gateway in document["gateways"]:
        yield from _gateway(gateway)
    if calls := document.get("calls"):
        yield f"    calls         {calls['live']} live, {calls['minutesToday']} minutes today"
    for refusal in document["refusals"] if refusals else ():
        yield f"    refused       {refusal['time']}  {refusal['reason']}"


def _gateway(gateway: Document) -> Iterator[str]:
    yield f"    gateway       {gateway['ip']}  {gateway.get('state') or ''}".rstrip()
    for target in gateway["targets"]:
        trip = target.get("roundTripMs")
        yield f"                  {target['address']}{f'  {trip:.0f} ms' if trip else ''}"
    if gateway.get("problem"):
        yield f"                  {gateway['problem']}"


def _ladder(ladder: list[Document]) -> Iterator[str]:
    """The messages between us and the provider, one a line."""
    for rung in ladder:
        arrow = (
            f"──────→ {rung['peer']}" if rung["direction"] == "out" else f"←────── {rung['peer']}"
        )
        yield f"{rung['time'][11:23]}  {rung['transport']:<3}  {arrow:<30} {rung['line']}"
