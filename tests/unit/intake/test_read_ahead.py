import pytest

from itop_bridge.intake.read_ahead import CHUNK_BYTES, ReadAhead


def recv_from(chunks):
    def recv(size):
        assert size == CHUNK_BYTES
        if not chunks:
            raise BlockingIOError
        return chunks.pop(0)

    return recv


def test_a_chunk_is_read_once_and_handed_out_in_order():
    read = ReadAhead(recv_from([b"abcdef", b"gh"]))
    assert [read(1), read(3), read(9), read(1), read(5)] == [b"a", b"bcd", b"ef", b"g", b"h"]


def test_what_is_left_is_told():
    read = ReadAhead(recv_from([b"ab"]))
    assert not read.has_more
    read(1)
    assert read.has_more
    read(1)
    assert not read.has_more


def test_nothing_to_read_is_raised_as_the_socket_raises_it():
    read = ReadAhead(recv_from([]))
    with pytest.raises(BlockingIOError):
        read(1)


def test_the_end_of_the_stream_is_no_bytes():
    assert ReadAhead(recv_from([b""]))(1) == b""
