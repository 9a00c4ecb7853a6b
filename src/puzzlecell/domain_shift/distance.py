"""How far fields and cells are from the training fields, relative to unseen training fields."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.unlike import BETWEEN, RATIO, WHERE
from puzzlecell.domain_shift.features import ASPECTS, CELL, FEATURES, NUCLEUS, Described
from puzzlecell.domain_shift.look import Aspect

SMALLEST_RANGE = 0.1
THINGS = {NUCLEUS: "nuclei", CELL: "cells"}


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
    """How each row of an aspect, (n, d), differs from the training mean, such as `brighter red` or `smaller nuclei`.

    A channel is `brighter` or `darker` by its two highest quantiles, or its `background` is by the two lowest ones,
    whichever differ by more of the range between the training quantiles 0.01 and 0.99.
    """
    if name == FEATURES:
        return [FEATURES] * len(values)
    low, _, high = aspect.typical
    differences = (values - aspect.normal.mean) / np.maximum(high - low, SMALLEST_RANGE)
    if name not in CHANNELS:
        return [f"{'larger' if one > 0 else 'smaller'} {THINGS[name]}" for one in differences[:, 0]]
    dark, bright = differences[:, :2].mean(axis=1), differences[:, -2:].mean(axis=1)
    background = np.abs(dark) > np.abs(bright)
    return [
        f"{'brighter' if one > 0 else 'darker'} {name}{' background' if below else ''}"
        for one, below in zip(np.where(background, dark, bright), background, strict=True)
    ]
