"""Which sockets the streams have: those on io_uring where the kernel allows them."""

import logging
from typing import Literal, get_args

from ..datagrams import AddressBook
from .ports import PortPairs
from .sockets import StreamSockets
from .uring import UringSockets

log = logging.getLogger("aywa.media")

Kind = Literal["auto", "uring", "plain"]
"""`auto` is io_uring, or plain where there is none; `uring` is plain never."""
KINDS: tuple[Kind, ...] = get_args(Kind)


def open_sockets(
    ports: PortPairs, book: AddressBook, kind: Kind = "auto"
) -> StreamSockets | UringSockets:
    """The sockets of a media process. Raises OSError if `uring` is asked for and not to be had."""
    if kind == "plain":
        return StreamSockets(ports, book)
    try:
        sockets = UringSockets(ports, book)
    except OSError as error:
        if kind == "uring":
            raise
        log.info("RTP goes over plain sockets: io_uring is not to be had (%s)", error.strerror)
        return StreamSockets(ports, book)
    log.info("RTP goes over io_uring")
    return sockets
