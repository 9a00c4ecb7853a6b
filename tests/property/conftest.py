"""Hypothesis: `ci` repeats the same examples in about a minute; `make fuzz` draws new ones for as long as wanted."""

import os
import resource

from hypothesis import HealthCheck, settings

COMMON = {
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
}
settings.register_profile("ci", derandomize=True, max_examples=150, database=None, **COMMON)
settings.register_profile("fuzz", max_examples=1000, **COMMON)
# Input of a few kilobytes that takes gigabytes is a fault; beyond this limit it fails instead of filling the machine.
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
if PROFILE == "fuzz":
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))
settings.load_profile(PROFILE)
