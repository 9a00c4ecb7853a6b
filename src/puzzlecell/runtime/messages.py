"""Shortening of long lists in messages."""

from collections.abc import Iterable, Sequence


def first_few(values: Iterable[object], most: int = 8) -> str:
    """Return the first values as text, such as `a, b, c and 12 more`."""
    texts = [str(value) for value in values]
    shown = ", ".join(texts[:most])
    return shown if len(texts) <= most else f"{shown} and {len(texts) - most} more"


def first_line(text: object) -> str:
    """Return the first line of a text, such as an error of a library."""
    return (str(text).strip().splitlines() or [""])[0]


def first_lines(lines: Sequence[str], most: int = 50) -> list[str]:
    """Return the first lines, indented, with a final line that says how many more there are."""
    shown = [f"  {line}" for line in lines[:most]]
    return shown if len(lines) <= most else [*shown, f"  ... and {len(lines) - most} more"]
