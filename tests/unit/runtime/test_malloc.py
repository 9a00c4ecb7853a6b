import platform
import subprocess
import sys

import pytest

FREED = """
import os, numpy as np
from puzzlecell.runtime.malloc import keep_freed_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

if {keep}:
    assert keep_freed_memory()
before = resident()
block = np.ones(200 * 2**17)
held = resident() - before
del block
print(held, resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
@pytest.mark.parametrize("keep", [True, False])
def test_freed_memory_is_kept_on_request(keep):
    done = subprocess.run(
        [sys.executable, "-c", FREED.format(keep=keep)], check=True, capture_output=True, text=True
    )
    held, left = map(float, done.stdout.split())
    assert held > 190
    assert left > 190 if keep else left < 10


def test_another_c_library_is_left_unchanged(monkeypatch):
    from puzzlecell.runtime import malloc as memory

    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("musl", "1"))
    assert memory.keep_freed_memory() is False
