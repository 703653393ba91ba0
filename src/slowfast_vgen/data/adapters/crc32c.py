"""CRC-32C (Castagnoli; RFC 3720, B.4), fast enough in numpy for records of many megabytes.

The register is linear over GF(2): for data A followed by B it is shift(crc(A), len(B)) xor crc(B). So the data are cut
into lanes that are processed together, four bytes a step, and the lanes are joined pairwise.
"""

from functools import cache

import numpy as np

_POLYNOMIAL = 0x82F63B78  # reflected
_SHORT = 256
"""Bytes up to which a plain loop is faster."""
_LONGEST_LANE = 2048
"""Largest number of four-byte words in a lane. Each word of a lane takes one numpy step, so there are about as many
lanes as words in each."""


def crc32c(data: bytes | memoryview) -> int:
    """Returns the checksum, 0 to 2**32 - 1.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    register = 0xFFFFFFFF
    if len(data) <= _SHORT:
        table = _byte_table()
        for byte in data:
            register = table[(register ^ byte) & 0xFF] ^ register >> 8
    else:
        register = _shifted(register, len(data)) ^ _from_zero(data)
    return register ^ 0xFFFFFFFF


def masked_crc32c(data: bytes | memoryview) -> int:
    """Returns the checksum as TFRecord files store it: rotated, so that checksums of checksums stay sound."""
    value = crc32c(data)
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _from_zero(data: bytes | memoryview) -> int:
    """Returns the register after `data`, starting from zero."""
    lane = lanes = 1
    while 4 * lane * lane < len(data) and lane < _LONGEST_LANE:
        lane *= 2
    while 4 * lane * lanes < len(data):
        lanes *= 2
    padded = np.zeros(4 * lane * lanes, np.uint8)  # from a register of zero, leading zeros change nothing
    padded[-len(data) :] = np.frombuffer(data, np.uint8)
    low, high = _word_tables()
    state = np.zeros(lanes, np.uint32)
    for words in np.ascontiguousarray(padded.view("<u4").reshape(lanes, lane).T):
        state ^= words
        state = low[(state & 0xFFFF).astype(np.intp)] ^ high[(state >> 16).astype(np.intp)]
    reach = 4 * lane
    while len(state) > 1:
        state = _apply(_shift(reach), state[::2]) ^ state[1::2]
        reach *= 2
    return int(state[0])


def _shifted(register: int, num_bytes: int) -> int:
    """Returns the register after `num_bytes` zero bytes."""
    state = np.array([register], np.uint32)
    for bit in range(num_bytes.bit_length()):
        if num_bytes >> bit & 1:
            state = _apply(_shift(1 << bit), state)
    return int(state[0])


@cache
def _byte_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


@cache
def _word_tables() -> tuple[np.ndarray, np.ndarray]:
    """Returns tables of the register's lower and upper half after four zero bytes."""
    half = np.arange(1 << 16, dtype=np.uint32)
    return _apply(_shift(4), half), _apply(_shift(4), half << np.uint32(16))


@cache
def _shift(num_bytes: int) -> np.ndarray:
    """Returns each bit of the register after `num_bytes` zero bytes; `num_bytes` is a power of two."""
    if num_bytes == 1:
        return np.array([_byte_table()[1 << bit & 0xFF] ^ (1 << bit) >> 8 for bit in range(32)], np.uint32)
    half = _shift(num_bytes // 2)
    return _apply(half, half)


def _apply(operator: np.ndarray, values: np.ndarray) -> np.ndarray:
    out = np.zeros_like(values)
    for bit in range(32):
        out ^= np.where(values >> np.uint32(bit) & 1, operator[bit], np.uint32(0))
    return out
