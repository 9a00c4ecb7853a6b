"""How much of a machine a run may use."""

import os


def machine_cores(asked: int | None) -> int | None:
    """`asked`, or the number of cores that this process may run on where that is less; None stays None."""
    if asked is None:
        return None
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(asked, available)
