"""The estimate of a run as text and as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from puzzlecell.planning.estimate import Estimate, RuleEstimate
from puzzlecell.planning.rates import PACKAGE

HEADER = ("rule", "jobs", "work", "rate", "from", "time", "core time", "GPU time", "memory")


def as_text(estimate: Estimate) -> str:
    """The estimate as a table with totals and remarks below it."""
    if not estimate.rules:
        return f"{_machine(estimate)}: nothing is left to be done"
    lines = [
        _machine(estimate),
        "",
        *_aligned([HEADER, *map(_row, estimate.rules), _total_row(estimate)]),
        "",
    ]
    timing = estimate.timing
    if timing is not None:
        lines += [
            f"wall time  {duration(timing.wall_s)}; longest chain of jobs {duration(timing.critical_s)}",
            f"memory     {megabytes(timing.memory_mb)} at a time on one node",
        ]
    else:
        lines.append(f"wall time  unknown; there is no rate for {'; '.join(estimate.missing)}")
    return "\n".join([*lines, *_disk_lines(estimate), "", *_remarks(estimate)])


def as_json(estimate: Estimate) -> dict[str, Any]:
    """The estimate as values for JSON: seconds, MB and bytes; null for what is unknown."""
    timing = estimate.timing
    return {
        "machine": vars(estimate.machine),
        "rules": [{**vars(rule), "sources": sorted(rule.sources)} for rule in estimate.rules],
        "jobs": sum(rule.jobs for rule in estimate.rules),
        "core_s": _sum(rule.core_s for rule in estimate.rules),
        "gpu_s": _sum(rule.gpu_s for rule in estimate.rules),
        "wall_s": timing.wall_s if timing else None,
        "critical_s": timing.critical_s if timing else None,
        "memory_mb": timing.memory_mb if timing else None,
        "disk_bytes": dict(estimate.disk.folders),
        "disk_while_training_bytes": estimate.disk.training * estimate.trainings,
        "disk_measured": sorted(estimate.disk.measured),
        "data_sets": {
            name: {
                "fields": found.fields,
                "fields_from": found.fields_from,
                "cells_per_field": found.cells,
                "cells_from": found.cells_from,
            }
            for name, found in estimate.sizes.items()
        },
        "without_rate": estimate.missing,
        "unused_benchmarks": estimate.unused_benchmarks,
    }


def duration(seconds: float) -> str:
    """A time as `0.4 s`, `42 s`, `2.5 min` or `1,204 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s" if seconds >= 9.95 or seconds == 0 else f"{seconds:.1f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.{0 if seconds >= 595 else 1}f} min"
    return f"{seconds / 3600:,.0f} h" if seconds >= 100 * 3600 else f"{seconds / 3600:.1f} h"


def scaled(value: float, unit: str, prefixes: Sequence[str]) -> str:
    """A value with three digits and the prefix that suits it; the first prefix is that of the value as given."""
    for prefix in prefixes[:-1]:
        if value < 999.5:
            return f"{value:.3g} {prefix}{unit}"
        value /= 1000
    return f"{value:.3g} {prefixes[-1]}{unit}"


def megabytes(number: float) -> str:
    """A number of MB as `7.2 GB`."""
    return scaled(number, "B", ("M", "G", "T"))


def amount(value: float, unit: str) -> str:
    """Work as `1,204 Mpx`, or operations as `7.17 EFLOP`."""
    if unit == "GFLOP":
        return scaled(value, "FLOP", ("G", "T", "P", "E", "Z"))
    return f"{value:,.0f} {unit}" if value >= 99.5 else f"{value:.3g} {unit}"


def _machine(estimate: Estimate) -> str:
    given = estimate.machine
    gpus = f"{given.gpus} GPU{'' if given.gpus == 1 else 's'}" if given.gpus else "no GPU"
    cores = f"{given.cores} core{'' if given.cores == 1 else 's'}"
    nodes = f"{given.nodes} nodes, each with " if given.nodes > 1 else ""
    jobs = f", at most {given.jobs} jobs at a time" if given.jobs else ""
    return f"on {nodes}{cores} and {gpus}{jobs}"


def _row(rule: RuleEstimate) -> tuple[str, ...]:
    of_all = f" of {rule.all_jobs}" if rule.all_jobs > rule.jobs else ""
    rate = f"{amount(rule.amount / rule.work_s, rule.unit)}/s" if rule.work_s and rule.unit else ""
    memory = "" if rule.memory_mb is None else megabytes(rule.memory_mb)
    return (
        rule.rule,
        f"{rule.jobs}{of_all}",
        amount(rule.amount, rule.unit) if rule.unit else "",
        rate,
        ", ".join(sorted(rule.sources)),
        *map(_time, (rule.seconds, rule.core_s, rule.gpu_s)),
        memory if rule.memory_measured or not memory else f"stated {memory}",
    )


def _total_row(estimate: Estimate) -> tuple[str, ...]:
    rules = estimate.rules
    times = (_sum(getattr(rule, name) for rule in rules) for name in ("seconds", "core_s", "gpu_s"))
    return ("total", str(sum(rule.jobs for rule in rules)), "", "", "", *map(_time, times), "")


def _sum(values: Iterable[float | None]) -> float | None:
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _time(seconds: float | None) -> str:
    return "?" if seconds is None else duration(seconds) if seconds else ""


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = {0, HEADER.index("from")}
    lines = [
        "  ".join(
            text.ljust(width) if place in left else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    between = "-" * max(map(len, lines))
    return [lines[0], between, *lines[1:-1], between, lines[-1]]


def _disk_lines(estimate: Estimate) -> list[str]:
    folders: Mapping[str, float] = estimate.disk.folders
    bytes_ = ("", "k", "M", "G", "T")
    listed = ", ".join(f"{name} {scaled(size, 'B', bytes_)}" for name, size in sorted(folders.items()))
    lines = [f"disk       {scaled(sum(folders.values()), 'B', bytes_)}{f': {listed}' if listed else ''}"]
    if estimate.trainings:
        state = scaled(estimate.disk.training * estimate.trainings, "B", bytes_)
        lines.append(
            f"           and {state} for the saved states of {estimate.trainings} training(s) at a time"
        )
    return lines


def _remarks(estimate: Estimate) -> list[str]:
    lines = [
        f"{name}: {found.fields:,.0f} fields ({found.fields_from}), "
        f"{found.cells:.3g} cells per field ({found.cells_from})"
        for name, found in estimate.sizes.items()
    ]
    if estimate.disk.measured:
        lines.append(f"bytes of {', '.join(sorted(estimate.disk.measured))}: as in the results so far")
    if any(PACKAGE in rule.sources for rule in estimate.rules):
        lines.append(
            "rates from the package: of one core of an AMD EPYC; twice the threads take half the time"
        )
    if estimate.missing and estimate.machine.gpus:
        lines += [
            "no rate was measured on a GPU: state the speed that yours achieves with --gpu-tflops, or run a small part",
            "on it first and point --results to it (docs/planning.md)",
        ]
    elif estimate.missing:
        lines.append("run a small part first and point --results to it (docs/planning.md)")
    if estimate.unused_benchmarks:
        lines.append(
            f"benchmark files without use: {estimate.unused_benchmarks}; their jobs were resumed, or their logs or "
            "results are missing"
        )
    return lines
