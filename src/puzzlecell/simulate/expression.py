"""Which patterns a field shows and which of its cells show which.

Image labels say what is in a field, not which cells show it; that is the problem, so here it is made on
purpose: every pattern of a field is absent from a stated share of its cells.

Negative is a label like the others: the labels of a field are the union of its cells' labels, so one cell
that shows nothing gives the field label 18. Were it left out, a network trained on image labels would be told
that such cells do not exist outside negative fields, and the union rule would have an exception. So that 18
still says something, cells without any pattern are found in negative fields and in fields of one pattern
alone; with two or three, every cell shows at least one.
"""

import numpy as np

from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.simulate.patterns import NEGATIVE, PATTERNS, SEEN_WHILE_DIVIDING, SPINDLE


def well_patterns(well: int, settings: SimulationSettings, seed: tuple[int, ...]) -> list[int]:
    """Patterns of a well, none where it is negative; they depend on the well and the seed alone.

    Negative wells come at even distances; the others take each pattern in turn, in an order drawn anew for
    every round of 18, and draw the rest, so that even few wells show every pattern.
    """
    schedule = np.random.default_rng([*seed, 0])
    start = schedule.random()
    negatives_before = int(well * settings.negative_fields + start)
    if int((well + 1) * settings.negative_fields + start) > negatives_before:
        return []
    turn = well - negatives_before
    order = np.random.default_rng([*seed, 1, turn // PATTERNS]).permutation(PATTERNS)
    patterns = [int(order[turn % PATTERNS])]
    rng = np.random.default_rng([*seed, 2, well])
    for _ in range(
        int(rng.choice(3, p=np.array(settings.patterns_per_field) / sum(settings.patterns_per_field)))
    ):
        others = [p for p in range(PATTERNS) if p not in patterns and all(_together(p, q) for q in patterns)]
        patterns.append(int(rng.choice(others)))
    return patterns


def _together(one: int, other: int) -> bool:
    """Whether a cell can show both patterns: few are seen while it divides."""
    return (one != SPINDLE or other in SEEN_WHILE_DIVIDING) and (
        other != SPINDLE or one in SEEN_WHILE_DIVIDING
    )


def express(
    cells: int, patterns: list[int], settings: SimulationSettings, rng: np.random.Generator
) -> list[tuple[int, ...]]:
    """Labels of each cell of a field with these patterns, rising; (18,) for a cell that shows nothing.

    Each pattern is absent from a share of the cells drawn from `not_expressing` (rounded at random to whole
    cells, at most half of them). The absences follow each other around a random circle of the cells, so that
    with two patterns or more no cell lacks them all and every pattern is shown by some cell.
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
