"""How far fields and cells are from the training fields, relative to unseen training fields."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.unlike import BETWEEN, RATIO, WHERE
from puzzlecell.domain_shift.features import ASPECTS, CELL, FEATURES, Described
from puzzlecell.domain_shift.look import Aspect


def distance_table(described: Described, aspects: Mapping[str, Aspect]) -> pd.DataFrame:
    """Return the distances of fields, or cells, from the training fields.

    Columns: `ID` (and `cell`); `unlike_training`, the largest of the ratios of distance to limit in the aspects;
    `unlike_in`, the aspects with a ratio above 1 in words, the largest first; and the ratio in each aspect, NaN if it
    is unknown. Ratios are float32.
    """
    ratios = pd.DataFrame(np.nan, described.keys.index, list(ASPECTS), np.float32)
    for name, aspect in aspects.items():
        ratios[name] = (aspect.normal.distance(described.aspects[name]) / aspect.limit).astype(np.float32)
    words = {name: in_words(name, described.aspects[name], aspect) for name, aspect in aspects.items()}
    where = []
    for row, values in enumerate(ratios.to_numpy()):
        above = [place for place in np.argsort(-values, kind="stable") if values[place] > 1]
        where.append(BETWEEN.join(words[ASPECTS[place]][row] for place in above))
    first = described.keys.assign(**{RATIO: ratios.max(axis=1), WHERE: where})
    return pd.concat([first, ratios], axis=1)


def in_words(name: str, values: np.ndarray, aspect: Aspect) -> list[str]:
    """How each row of an aspect, (n, d), differs from the training mean, such as `brighter red` or `smaller nuclei`."""
    if name == FEATURES:
        return [FEATURES] * len(values)
    differences = values - aspect.normal.mean
    higher = differences.mean(axis=1) > 0
    if name not in CHANNELS:
        things = "cells" if name == CELL else "nuclei"
        return [f"{'larger' if one else 'smaller'} {things}" for one in higher]
    # A channel may be brighter in its bright places and darker in its dark ones.
    mixed = np.abs(differences.mean(axis=1)) < np.abs(differences).mean(axis=1) / 4
    return [
        f"other contrast in {name}" if other else f"{'brighter' if one else 'darker'} {name}"
        for one, other in zip(higher, mixed, strict=True)
    ]
