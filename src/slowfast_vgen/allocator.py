"""The C library's allocator, set up for tensors that come and go."""

import ctypes
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


@cache
def keep_freed_memory() -> None:
    """Makes glibc keep freed blocks for the process, once.

    By default large blocks go back to the system when they are freed, and are cleared page by page when they are
    asked for again: up to half of the time of a training step. The price is that the process stays as large as its
    peak.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return  # another C library: only slower
    libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
    libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
