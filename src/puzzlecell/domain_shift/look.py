"""What training fields looked like to a network: the distribution of each aspect, and how far unseen fields lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.domain_shift.features import CELL, FEATURES, NUCLEUS, Described
from puzzlecell.domain_shift.normal import Normal, fit

PARTS = 5
"""Parts into which training fields are split, so that the distance of each is measured from the others."""
TYPICAL = (0.01, 0.5, 0.99)
"""Quantiles of each value over the training fields or cells that are kept to be looked up."""
SMALLEST = {FEATURES: 1e-4, **dict.fromkeys(CHANNELS, 0.1), NUCLEUS: 0.02, CELL: 0.02}
"""Smallest standard deviations: 7 % in intensity, 0.3 grey levels in a black background, and 1.4 % in diameter. The
training fields may differ by less, such as those whose background is 0; but so small a difference is not unusual."""


@dataclass(frozen=True)
class Aspect:
    """One aspect of the training fields, or cells.

    limit: distance at which the aspect is as unusual as `unlike_training` 1. typical: (3, values) float32, quantiles
    `TYPICAL` of each value.
    """

    normal: Normal
    limit: float
    typical: np.ndarray


@dataclass(frozen=True)
class Look:
    """What the training fields and their cells looked like.

    fields, cells: the aspects by name. seen: (n,) float32, `unlike_training` of the training fields, each measured from
    the others. network: digest of the weights of the network. level: fraction of unseen training fields and cells that
    are to have a distance below 1.
    """

    fields: Mapping[str, Aspect]
    cells: Mapping[str, Aspect]
    seen: np.ndarray
    network: str
    level: float


def part_of_groups(groups: Sequence[str], parts: int = PARTS) -> np.ndarray:
    """Part (n,) of each field, such that a group is in one part and the parts are about equal."""
    names, index, counts = np.unique(
        np.asarray(groups, dtype=object).astype(str), return_inverse=True, return_counts=True
    )
    sizes, chosen = np.zeros(min(parts, len(names))), np.empty(len(names), int)
    for number in np.argsort(-counts, kind="stable"):
        chosen[number] = sizes.argmin()
        sizes[chosen[number]] += counts[number]
    return chosen[index]


def fit_aspects(
    described: Described, parts: np.ndarray, level: float
) -> tuple[dict[str, Aspect], np.ndarray]:
    """Fit all aspects, and calibrate their distances on rows that a distribution was not fitted to.

    parts: (n,) part of each row. Returns the aspects and `unlike_training` (n,) of the rows, each measured from the
    distributions of the other parts. An aspect that is NaN in all rows of a fit is left out.

    The limit of an aspect is the quantile `level` of its distances, but at least 1 standard deviation, times one factor
    for all aspects with which the quantile `level` of the largest ratio of distance to limit is 1. These are
    cross-conformal predictors (Vovk, Ann. Math. Artif. Intell. 74, 2015) with the distance as nonconformity measure.
    """
    distances, aspects = {}, {}
    for name, values in described.aspects.items():
        known = ~np.isnan(values).any(axis=1)
        if any(not known[parts != part].any() for part in np.unique(parts)):
            continue
        distance = np.full(len(values), np.nan)
        for part in np.unique(parts):
            others = fit(values[parts != part], SMALLEST[name])
            distance[parts == part] = others.distance(values[parts == part])
        distances[name] = distance
        aspects[name] = (
            fit(values, SMALLEST[name]),
            np.quantile(values[known], TYPICAL, axis=0).astype(np.float32),
        )
    limits = {name: max(upper_quantile(distance, level), 1.0) for name, distance in distances.items()}
    ratios = np.stack([distances[name] / limits[name] for name in distances], axis=1)
    factor = upper_quantile(np.nanmax(ratios, axis=1), level)
    found = {
        name: Aspect(normal, limits[name] * factor, typical) for name, (normal, typical) in aspects.items()
    }
    return found, np.nanmax(ratios, axis=1) / factor


def upper_quantile(values: np.ndarray, level: float) -> float:
    """The ceil((n + 1) level)-th smallest of the n values that are not NaN, the largest if there are fewer.

    Another value from the same distribution lies above it with a probability of at most 1 - level.
    """
    known = np.sort(values[~np.isnan(values)])
    return float(known[min(int(np.ceil((len(known) + 1) * level)), len(known)) - 1])
