from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.providers.offline.wire import MAX_BODY, Frame, Kind, Unframer, WireError

FRAMES = st.builds(
    Frame,
    st.sampled_from(Kind),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=50),
    st.integers(0, 2**64 - 1),
)


@given(st.lists(FRAMES, max_size=5), st.integers(1, 20))
def test_messages_survive_any_cutting(frames: list[Frame], size: int) -> None:
    data = b"".join(bytes(frame) for frame in frames)
    unframer = Unframer()
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    assert [frame for piece in pieces for frame in unframer.feed(piece)] == frames


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_a_wire_error(data: bytes) -> None:
    with suppress(WireError):
        assert all(isinstance(frame, Frame) for frame in Unframer().feed(data))


def test_a_boundless_message_is_refused() -> None:
    data = bytearray(bytes(Frame(Kind.AUDIO)))
    data[5:9] = (MAX_BODY + 1).to_bytes(4, "little")
    with pytest.raises(WireError, match="limit"):
        list(Unframer().feed(bytes(data)))
