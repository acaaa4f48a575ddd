"""What a process frees it gets again without the kernel clearing pages for it."""

import subprocess
import sys

import pytest

FAULTS = """
import ctypes, resource, sys
from models.memory import keep_freed
if sys.argv[1] == "kept":
    keep_freed()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
def fill():
    place = library.malloc(64 << 20)
    ctypes.memset(place, 1, 64 << 20)
    library.free(ctypes.c_void_p(place))
fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux's")
def test_memory_that_is_used_again_costs_no_new_pages():
    faults = {
        way: int(subprocess.run([sys.executable, "-c", FAULTS, way], check=True, capture_output=True).stdout)
        for way in ("kept", "given back")
    }
    assert faults["kept"] < 0.1 * faults["given back"]
