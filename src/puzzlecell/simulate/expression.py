"""The patterns of each field and of each of its cells.

Image-level labels say which patterns occur in a field, but not in which cells. The simulation reproduces this
weak supervision: every pattern of a field is absent from a configured fraction of its cells.

Negative is a label like the others. The labels of a field are the union of its cells' labels, so a single cell
without a pattern gives the field the label 18. Without this rule, image-level labels would claim that such cells
occur only in negative fields. To keep label 18 informative, cells without a pattern occur only in negative fields
and in fields with one pattern; in fields with two or three patterns, every cell shows at least one.
"""

from collections.abc import Callable

import numpy as np

from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.simulate.patterns import NEGATIVE, PATTERNS, SEEN_WHILE_DIVIDING, SPINDLE


def _together(one: int, other: int) -> bool:
    """Return whether a cell can show both patterns; few are visible in a dividing cell."""
    return (one != SPINDLE or other in SEEN_WHILE_DIVIDING) and (
        other != SPINDLE or one in SEEN_WHILE_DIVIDING
    )


def well_patterns(
    well: int,
    settings: SimulationSettings,
    seed: tuple[int, ...],
    *,
    count: int = PATTERNS,
    together: Callable[[int, int], bool] = _together,
) -> list[int]:
    """Return the patterns of a well, an empty list if it is negative; depends only on the arguments.

    Negative wells are evenly spaced. The other wells take the patterns in turn as their first pattern, in an order
    reshuffled when all have had their turn, and draw any further ones at random, so even a few wells cover every
    pattern.

    Args:
        count: number of patterns that there are.
        together: whether two patterns can occur in a well together.
    """
    schedule = np.random.default_rng([*seed, 0])
    start = schedule.random()
    negatives_before = int(well * settings.negative_fields + start)
    if int((well + 1) * settings.negative_fields + start) > negatives_before:
        return []
    turn = well - negatives_before
    order = np.random.default_rng([*seed, 1, turn // count]).permutation(count)
    patterns = [int(order[turn % count])]
    rng = np.random.default_rng([*seed, 2, well])
    for _ in range(
        int(rng.choice(3, p=np.array(settings.patterns_per_field) / sum(settings.patterns_per_field)))
    ):
        others = [p for p in range(count) if p not in patterns and all(together(p, q) for q in patterns)]
        if others:
            patterns.append(int(rng.choice(others)))
    return patterns


def express(
    cells: int, patterns: list[int], settings: SimulationSettings, rng: np.random.Generator
) -> list[tuple[int, ...]]:
    """Return the labels of each cell of a field with these patterns, ascending; (18,) for a cell without a pattern.

    Each pattern is absent from a fraction of the cells drawn from `not_expressing`, rounded at random to whole cells
    and at most half of them. The cells are put in a random circular order, and the absences of the patterns occupy
    consecutive stretches of it. Every pattern is therefore shown by some cell, and with two or more patterns no
    cell lacks all of them.
    """
    circle = rng.permutation(cells)
    shown = np.ones((cells, len(patterns)), bool)
    begin = 0
    for column in range(len(patterns)):
        absent = min(int(rng.uniform(*settings.not_expressing) * cells + rng.random()), cells // 2)
        shown[circle[np.arange(begin, begin + absent) % cells], column] = False
        begin += absent
    names = np.array(patterns, dtype=int)
    return [tuple(sorted(int(p) for p in names[row])) or (NEGATIVE,) for row in shown]
