"""Identifiers and chance, from an injected source: a test reads the same bytes twice."""

import secrets
import uuid
from random import Random
from typing import Protocol


class Entropy(Protocol):
    """Where tags, branches, SSRCs and identifiers come from."""

    def token(self, octets: int = 8) -> str:
        """A random lower-case hexadecimal string of `2 * octets` characters."""
        ...

    def integer(self, bits: int) -> int:
        """A random integer in `[0, 2**bits)`."""
        ...

    def uuid(self) -> str:
        """A random version-4 UUID."""
        ...


class SystemEntropy:
    """The operating system's random source."""

    def token(self, octets: int = 8) -> str:
        return secrets.token_hex(octets)

    def integer(self, bits: int) -> int:
        return secrets.randbits(bits)

    def uuid(self) -> str:
        return str(uuid.uuid4())


class SeededEntropy:
    """A repeatable source, for tests and simulations only."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - repeatable on purpose, never used for secrets

    def token(self, octets: int = 8) -> str:
        return self._random.randbytes(octets).hex()

    def integer(self, bits: int) -> int:
        return self._random.getrandbits(bits)

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))
