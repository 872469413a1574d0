"""Answers to requests of which nothing is kept (RFC 3261 §8.2.7)."""

import hashlib

from ..base.ids import Entropy
from .errors import SipParseError
from .message import Request, Response
from .transaction_layer import TransactionLayer, call_id_of
from .transport import Hop, response_route


class StatelessAnswers:
    """Answers that a repeated request gets again, word for word, without being remembered."""

    def __init__(self, layer: TransactionLayer, entropy: Entropy) -> None:
        self._layer = layer
        self._secret = entropy.token(16)  # makes tags that nobody can guess

    def tag(self, request: Request) -> str:
        """A To tag that is the same for each repetition of a request."""
        material = "|".join([self._secret, *request.headers.all("Via"), call_id_of(request)])
        return hashlib.sha256(material.encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def send(self, request: Request, response: Response, source: Hop) -> None:
        """Answer; a request without a usable Via cannot be answered."""
        try:
            route = response_route(request.via, source)
        except SipParseError:
            self._layer.counters.dropped += 1
            return
        self._layer.transmit(bytes(response), route, call_id_of(request))
