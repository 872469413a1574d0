"""A name server on loopback or in a namespace, with a zone that a test writes."""

import socket
import threading
from collections import Counter

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

ZoneRecords = dict[tuple[str, str], list[str]]


class NameServer:
    """Answers from `records`, `{("trunk.test", "A"): ["192.0.2.1"]}`, until it is closed.

    `silent` makes it deaf; `asked` counts questions.
    """

    def __init__(
        self, records: ZoneRecords, address: str = "127.0.0.1", port: int = 0, ttl: int = 1
    ) -> None:
        self.records = records
        self.silent = False
        self._closing = False
        self.ttl = ttl
        self.asked: Counter[tuple[str, str]] = Counter()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, port))
        self.address = self._socket.getsockname()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the server."""
        self._closing = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knock:
            knock.sendto(b"", self.address)
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, source = self._socket.recvfrom(4096)
            if self._closing:
                return
            query = dns.message.from_wire(data)
            [question] = query.question
            name = question.name.to_text(omit_final_dot=True).lower()
            kind = dns.rdatatype.to_text(question.rdtype)
            self.asked[name, kind] += 1
            if self.silent:
                continue
            response = dns.message.make_response(query)
            values = self.records.get((name, kind), [])
            if values:
                answer = dns.rrset.from_text(question.name, self.ttl, "IN", kind, *values)
                response.answer.append(answer)
            elif not any(known == name for known, _ in self.records):
                response.set_rcode(dns.rcode.NXDOMAIN)
            self._socket.sendto(response.to_wire(), source)
