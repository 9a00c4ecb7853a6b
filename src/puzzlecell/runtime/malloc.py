"""Memory that a process gave back is kept by it for the next step.

The C library of Linux (glibc) gives every block above 32 MB back to the system when it is freed, and gets it anew, page
by page, when the next layer needs one of that size: on a CPU a third of a training step was spent so.
"""

import ctypes
import logging
import platform

log = logging.getLogger(__name__)

# Numbers of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Have this process keep what it frees, up to its largest use so far. Returns whether that is possible here."""
    if platform.libc_ver()[0] != "glibc":
        log.info("freed memory cannot be kept with this C library; steps on a CPU take longer")
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, -1))
