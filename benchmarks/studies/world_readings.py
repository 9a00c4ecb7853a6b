"""Ways to combine what is known about a cell, scored on cells with truth."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from world_members import Members

from puzzlecell.data.cell_predictions import join
from puzzlecell.training.metrics import validation_metrics

SINGLE = {"broadcast": "field", "step 1": "step1", "step 2": "step2", "pooled": "pooled"}
DEFAULT = "ensemble"
READINGS: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    **{f"fusion weight {weight:g}": {"weight": weight} for weight in (0.3, 0.5, 0.85, 1)},
    "mean of the steps": {"combine": "mean"},
    "negative: 1 - highest other": {"negative_by": "one_minus_max"},
    "negative: mean of the steps": {"negative_by": "mean"},
    "negative: step 2": {"negative_by": "step2"},
    **{f"others x (1 - Negative)^{k}": {"suppress": k} for k in (0.5, 1, 2)},
    **{
        f"negative: mean of the steps, others x (1 - Negative)^{k}": {"negative_by": "mean", "suppress": k}
        for k in (0.5, 1, 2)
    },
    "fusion weight 0.5, negative: mean of the steps": {"weight": 0.5, "negative_by": "mean"},
    "mean of the steps, negative: mean of the steps": {"combine": "mean", "negative_by": "mean"},
    "with pooled": {"steps": ("step1", "step2", "pooled")},
    "pooled in place of step 1": {"steps": ("pooled", "step2")},
    "pooled in place of step 2": {"steps": ("step1", "pooled")},
}
PUPILS: dict[str, dict[str, Any]] = {
    "pupil in place of step 2": {"steps": ("step1", "pupil")},
    "pupil beside both steps": {"steps": ("step1", "step2", "pupil")},
    "pupil twice beside step 1": {"steps": ("step1", "pupil", "pupil")},
    "pupil beside step 1 and pooled": {"steps": ("step1", "pooled", "pupil")},
    "pupil and pooled": {"steps": ("pooled", "pupil")},
    **{
        f"pupil, {name}": {"steps": ("step1", "pupil"), **how}
        for name, how in {
            "fusion weight 1": {"weight": 1},
            "fusion weight 0.85": {"weight": 0.85},
            "fusion weight 0.5": {"weight": 0.5},
            "mean of the members": {"combine": "mean"},
            "negative: 1 - highest other": {"negative_by": "one_minus_max"},
            "negative: mean of the members": {"negative_by": "mean"},
            "negative: the pupil's": {"negative_by": "pupil"},
            "others x (1 - Negative)^0.5": {"suppress": 0.5},
            "others x (1 - Negative)^1": {"suppress": 1},
            "negative: mean of the members, others x (1 - Negative)^0.5": {
                "negative_by": "mean",
                "suppress": 0.5,
            },
            "negative: mean of the members, others x (1 - Negative)^1": {
                "negative_by": "mean",
                "suppress": 1,
            },
            "mean of the members, negative: mean of the members": {"combine": "mean", "negative_by": "mean"},
            "fusion weight 0.5, negative: mean of the members": {"weight": 0.5, "negative_by": "mean"},
        }.items()
    },
}


def reading(
    members: Members,
    negative: int | None,
    *,
    steps: Sequence[str] = ("step1", "step2"),
    weight: float = 0.7,
    combine: str = "product",
    negative_by: str = "own",
    suppress: float = 0,
) -> np.ndarray:
    """Probabilities (n, C) of an ensemble; the defaults are those of config/config.yaml, for the members of one stage.

    weight: `image_fusion.weight`, the exponent of the cell's own probability; the field's is 1 - weight.
    negative_by: `own`, `one_minus_max`, `mean` of the members without the field, or the name of one member. suppress:
    the other classes are multiplied by (1 - Negative) ^ suppress.
    """
    values = np.stack([members[name].astype(np.float64) for name in steps])
    joined = join(values, np.full(len(values), 1 / len(values)), combine)
    if weight < 1:
        both = np.stack([joined, members["field"].astype(np.float64)])
        joined = join(both, np.array([weight, 1 - weight]), "product")
    if negative is None:
        return joined
    others = np.delete(np.arange(joined.shape[1]), negative)
    if negative_by == "one_minus_max":
        joined[:, negative] = 1 - joined[:, others].max(1)
    elif negative_by == "mean":
        joined[:, negative] = values[:, :, negative].mean(0)
    elif negative_by != "own":
        joined[:, negative] = members[negative_by][:, negative]
    if suppress:
        joined[:, others] *= (1 - joined[:, [negative]]) ** suppress
    return joined


def precisions(truth: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Average precision (C,) of cells per class, NaN for a class that no cell shows."""
    found = validation_metrics(truth, values)
    return np.array([found[f"ap{number:02d}"] for number in range(truth.shape[1])])


def trusted(
    oof: Members,
    test: Members,
    negative: int | None,
    margin: float,
    *,
    steps: Sequence[str],
    singles: Sequence[str],
) -> tuple[np.ndarray, list[str]]:
    """An ensemble with single classes taken from one reading, and the reading that each class trusts.

    A class trusts the best of `singles` if its average precision out of fold is above the ensemble's by `margin`.
    """
    names = [DEFAULT, *singles]
    scores = np.nan_to_num(
        np.stack([precisions(oof["truth"], values) for values in known(oof, negative, steps, singles)])
    )
    best = 1 + scores[1:].argmax(0)
    best[scores[1:].max(0) <= scores[0] + margin] = 0
    values = known(test, negative, steps, singles)
    chosen = np.stack([values[which][:, number] for number, which in enumerate(best)], 1)
    return chosen, [names[which] for which in best]


def known(
    members: Members, negative: int | None, steps: Sequence[str], singles: Sequence[str]
) -> list[np.ndarray]:
    """Values (n, C) of the ensemble of these steps, and of each single reading."""
    return [reading(members, negative, steps=steps), *(members[name] for name in singles)]
