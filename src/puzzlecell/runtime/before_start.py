"""The checks before the first job of a run, each with what it looks at in words."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One check.

    what: what it looks at, in words. problems: looks at it, and returns one message, possibly of several lines, for
    each problem found.
    """

    what: str
    problems: Callable[[], Sequence[str]]


@dataclass(frozen=True)
class Checked:
    """What a check has found, and how long it took."""

    what: str
    problems: Sequence[str]
    seconds: float


def run_checks(checks: Sequence[Check]) -> Iterator[Checked]:
    """Run checks one after the other."""
    for check in checks:
        started = time.monotonic()
        problems = list(check.problems())
        yield Checked(check.what, problems, time.monotonic() - started)


def all_problems(checks: Sequence[Check]) -> list[str]:
    """Return the problems of all checks."""
    return [problem for checked in run_checks(checks) for problem in checked.problems]
