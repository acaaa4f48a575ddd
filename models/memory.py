"""Memory: what has been freed stays with the process, for what comes next.

Tensors of tens of megabytes live for milliseconds. glibc maps each of them anew and gives it back at once, and the
kernel clears every page again.
"""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
KEPT_BYTES = 1 << 30  # free at the heap's end before any of it is given back


def keep_freed() -> None:
    """Let this process keep what it frees, up to `KEPT_BYTES`; nothing happens where the C library is not glibc.

    Processes in turns (2026-11-29): `unet-2` separated 92 to 104 × real time on one core with it, 84 to 98 × without; a
    step of learning took 0.82 s of processor time instead of 0.98 s.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
