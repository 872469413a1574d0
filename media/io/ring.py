"""io_uring as arrays: a submission queue, a completion queue and a ring of receive buffers.

Layouts are those of linux/io_uring.h. The ring belongs to the thread that made it (SINGLE_ISSUER),
and the kernel works for it only inside `submit` and `enter` (DEFER_TASKRUN, Linux 6.1): between two
calls nothing changes in the mapped memory, so reading it needs no barriers, and no buffer is
written behind the back of whoever reads it.
"""

import ctypes
import errno
import mmap
import os

import numpy as np
from numpy.typing import NDArray

_SETUP, _ENTER, _REGISTER = 425, 426, 427  # the same on all architectures
_CQSIZE, _SUBMIT_ALL, _TASKRUN_FLAG, _SINGLE_ISSUER, _DEFER_TASKRUN = 8, 128, 512, 4096, 8192
_GETEVENTS = 1
_FEATURES = 1 | 2  # one mapping for both queues; completions that find no place are kept
_OFFSET_RINGS, _OFFSET_ENTRIES = 0, 0x10000000
_OVERFLOW, _WORK = 2, 4  # completions found no place; there is work that `enter` does
_REGISTER_BUFFERS = 22
_UINT32 = 0xFFFFFFFF

SUBMISSION = np.dtype(
    {
        "names": [
            "opcode", "flags", "ioprio", "fd", "off", "addr", "len", "op_flags", "user_data",
            "group", "addr_len",
        ],
        "formats": ["u1", "u1", "u2", "i4", "u8", "u8", "u4", "u4", "i8", "u2", "u2"],
        "offsets": [0, 1, 2, 4, 8, 16, 24, 28, 32, 40, 44],
        "itemsize": 64,
    }
)  # fmt: skip
COMPLETION = np.dtype([("user_data", "i8"), ("result", "i4"), ("flags", "u4")])
_BUFFER = np.dtype([("addr", "u8"), ("len", "u4"), ("id", "u2"), ("tail", "u2")])
_TAIL = 14  # the ring's own, in the first entry
_PARAMETERS = 30  # 32-bit words of struct io_uring_params
_NOTHING = np.zeros(0, COMPLETION)

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = [ctypes.c_long] + [ctypes.c_size_t] * 6

Ints = NDArray[np.int64]


class Ring:
    """One io_uring. Raises OSError where the kernel has none, or forbids it."""

    def __init__(self, submissions: int, completions: int) -> None:
        """Room for so many of each at a time, powers of two."""
        words = np.zeros(_PARAMETERS, np.uint32)
        words[1] = completions
        words[2] = _CQSIZE | _SUBMIT_ALL | _TASKRUN_FLAG | _SINGLE_ISSUER | _DEFER_TASKRUN
        self.fd = _called(_SETUP, submissions, words.ctypes.data)
        try:
            if int(words[5]) & _FEATURES != _FEATURES:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            self._map(words.tolist())
        except OSError:
            os.close(self.fd)
            raise

    def _map(self, words: list[int]) -> None:
        slots, places = words[0], words[1]
        size = max(words[16] + 4 * slots, words[25] + COMPLETION.itemsize * places)
        self._memory = memory = mmap.mmap(self.fd, size, offset=_OFFSET_RINGS)
        self._entries = mmap.mmap(self.fd, slots * SUBMISSION.itemsize, offset=_OFFSET_ENTRIES)
        self.submissions = np.frombuffer(self._entries, SUBMISSION)
        """The slots for submissions, to be filled in place."""
        word = ctypes.c_uint32.from_buffer
        self._head, self._tail = word(memory, words[10]), word(memory, words[11])
        self._state = word(memory, words[14])
        self._done_head, self._done_tail = word(memory, words[20]), word(memory, words[21])
        self._queue = np.frombuffer(memory, np.uint32, slots, words[16])
        self._done = np.frombuffer(memory, COMPLETION, places, words[25])
        self._count = np.arange(slots, dtype=np.uint32)

    @property
    def overflowed(self) -> bool:
        """There are completions that found no place: they come with the next `enter`."""
        return bool(self._state.value & _OVERFLOW)

    def submit(self, first: int, count: int, *, events: bool = False) -> int:
        """Submit `count` slots from the `first`; gives how many the kernel took.

        What a submission points to is needed until it completes. With `events` completions are
        brought as by `enter`.
        """
        tail = self._tail.value
        self._queue[(tail + self._count[:count]) & (len(self._queue) - 1)] = self._count[
            first : first + count
        ]
        self._tail.value = tail + count & _UINT32
        left = count
        while left:
            try:
                left -= self._enter(left, events)
            except OSError:  # no memory for now: they are taken back
                self._tail.value = self._head.value
                break
        return count - left

    def enter(self) -> None:
        """Let the kernel do its work; completions are there afterwards."""
        self._enter(0, True)
        for _ in range(len(self._done)):  # it does about twenty pieces of work in one go
            if not self._state.value & _WORK:
                return
            self._enter(0, True)

    def completions(self) -> NDArray[np.void]:
        """What has completed since the last call."""
        head, tail = self._done_head.value, self._done_tail.value
        if head == tail:
            return _NOTHING
        first = head & (len(self._done) - 1)
        last = first + ((tail - head) & _UINT32)
        found = self._done[first:last].copy()
        if last > len(self._done):
            found = np.concatenate([found, self._done[: last - len(self._done)]])
        self._done_head.value = tail
        return found

    def close(self) -> None:
        """Give the ring back. Nothing may be in flight."""
        del self.submissions, self._queue, self._done
        del self._head, self._tail, self._state, self._done_head, self._done_tail
        self._memory.close()
        self._entries.close()
        os.close(self.fd)

    def _enter(self, count: int, events: bool) -> int:
        while True:
            try:
                return _called(_ENTER, self.fd, count, 0, _GETEVENTS if events else 0)
            except InterruptedError:
                continue


class Buffers:
    """Receive buffers, which the kernel takes from a ring and which are given back to it."""

    def __init__(self, ring: Ring, count: int, size: int) -> None:
        """`count` buffers, a power of two, of `size` octets. Raises OSError."""
        self._memory = mmap.mmap(-1, count * size)
        self._shared = mmap.mmap(-1, count * _BUFFER.itemsize)  # begins at a page
        self.octets = np.frombuffer(self._memory, np.uint8).reshape(count, size)
        self._queue = np.frombuffer(self._shared, _BUFFER)
        self._queue["len"] = size
        self._tail = ctypes.c_uint16.from_buffer(self._shared, _TAIL)
        self._base = self.octets.ctypes.data
        asked = np.zeros(5, np.uint64)
        asked[0], asked[1] = self._queue.ctypes.data, count
        _called(_REGISTER, ring.fd, _REGISTER_BUFFERS, asked.ctypes.data, 1)
        self.give(np.arange(count))

    def give(self, ids: Ints) -> None:
        """The kernel may fill these buffers again."""
        count, size = self.octets.shape
        tail = self._tail.value
        places = (tail + np.arange(len(ids))) & (count - 1)
        self._queue["addr"][places] = self._base + ids * size
        self._queue["id"][places] = ids
        self._tail.value = tail + len(ids) & 0xFFFF


def _called(number: int, *arguments: int) -> int:
    padding = (0,) * (6 - len(arguments))
    result: int = _syscall(number, *arguments, *padding)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
