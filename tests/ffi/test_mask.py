"""Masking by vectors against the plain loop."""

from ffi import ffi, lib
from tests.servers.frames import masked

KEY = b"\x37\xfa\x21\x3d"


def test_vectors_agree_with_the_loop_at_every_size_and_alignment() -> None:
    """Sizes 0 to 200 cover every tail of the 32- and 8-byte steps, offsets every alignment."""
    source = bytes(range(256)) * 2
    pool = ffi.new("unsigned char[]", source)
    fast, plain = ffi.new("unsigned char[]", 300), ffi.new("unsigned char[]", 300)
    for offset in range(33):
        for size in range(201):
            lib.ws_mask(fast + offset, pool + offset, size, KEY)
            lib.ws_mask_scalar(plain + offset, pool + offset, size, KEY)
            assert ffi.buffer(fast + offset, size)[:] == ffi.buffer(plain + offset, size)[:]


def test_the_loop_is_the_one_of_the_rfc() -> None:
    """The C loop that vouches for the vectors agrees with one written here."""
    source = bytes(range(200))
    target = ffi.new("unsigned char[]", len(source))
    lib.ws_mask_scalar(target, source, len(source), KEY)
    assert ffi.buffer(target)[:] == masked(source, KEY)


def test_masking_in_place_and_not_a_byte_beyond() -> None:
    for size in range(201):
        memory = ffi.new("unsigned char[]", b"\xaa" * 300)
        lib.ws_mask(memory + 1, ffi.buffer(memory + 1, size)[:], size, KEY)
        lib.ws_mask(memory + 1, memory + 1, size, KEY)
        assert ffi.buffer(memory)[:300] == b"\xaa" * 300
