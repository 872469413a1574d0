"""Secrets in documents: masked on the way out, and kept when a client sends the mask back.

A path names a secret from the top of its document: `authentication.password`. A `*` stands for
every item of an array.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from ..base.redact import masked
from ..store.documents import Document

SecretPaths = Sequence[str]


def without_secrets(document: Document, paths: SecretPaths) -> Document:
    """The document as it may be shown: of each secret no more than its end."""
    if not paths:
        return document
    shown = deepcopy(document)
    for holder, key, _ in _places(shown, None, paths):
        holder[key] = masked(holder[key])
    return shown


def with_kept_secrets(body: Document, stored: Document, paths: SecretPaths) -> Document:
    """`body` with the stored secret wherever it repeats the mask that we have shown of it."""
    if not paths:
        return body
    kept = deepcopy(body)
    for holder, key, before in _places(kept, stored, paths):
        if isinstance(before, str) and holder[key] == masked(before):
            holder[key] = before
    return kept


def _places(
    document: Document, other: Document | None, paths: SecretPaths
) -> Iterator[tuple[Any, Any, Any]]:
    """Where text stands at the paths: its holder and key, and the same place in `other`."""
    for path in paths:
        yield from _descend(document, other, path.split("."))


def _descend(here: Any, other: Any, steps: list[str]) -> Iterator[tuple[Any, Any, Any]]:
    step, *rest = steps
    if step == "*":
        keys: Sequence[Any] = range(len(here)) if isinstance(here, list) else ()
    else:
        keys = (step,) if isinstance(here, dict) and step in here else ()
    for key in keys:
        beside = _at(other, key)
        if rest:
            yield from _descend(here[key], beside, rest)
        elif isinstance(here[key], str):
            yield here, key, beside


def _at(container: Any, key: Any) -> Any:
    if isinstance(container, dict):
        return container.get(key)
    if isinstance(container, list) and isinstance(key, int) and key < len(container):
        return container[key]
    return None
