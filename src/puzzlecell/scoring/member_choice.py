"""Choose for each class which members of the ensemble it trusts, on cells whose classes are known.

The members and the field are judged out of fold, by models that have not seen the fields. A class leaves the members of
the configuration only for others that are better by a margin of standard errors of the difference, from a bootstrap
over fields, in the spirit of the one-standard-error rule (Breiman et al. 1984, "Classification and Regression Trees");
the default is two, because the best of a dozen candidates is also the luckiest.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell.config.ensemble import EnsembleSettings
from puzzlecell.config.member_choice import MemberChoiceSettings
from puzzlecell.config.score import ScoreSettings
from puzzlecell.data.tables import write_csv
from puzzlecell.ensemble.trust import CONFIGURED, candidates, overlay_text, trusting
from puzzlecell.errors import UserError
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.scoring.average_precision import average_precision
from puzzlecell.scoring.member_predictions import Predicted, predicted_by

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClassChoice:
    """Choice for one class.

    chosen, ap_chosen: name and average precision of the candidate. cells: number of cells that show the class. ap, low,
    high: (candidates,) average precision and its interval. gain, error: difference from the configured members and its
    standard error. NaN for all without a cell that shows the class.
    """

    chosen: str
    ap_chosen: float
    cells: int
    ap: np.ndarray
    low: np.ndarray
    high: np.ndarray
    gain: np.ndarray
    error: np.ndarray


def write_member_choice(
    members_csv: str | os.PathLike,
    members_yaml: str | os.PathLike,
    known: Sequence[Predicted],
    ensemble: EnsembleSettings,
    *,
    names: Sequence[str],
    settings: MemberChoiceSettings,
    score: ScoreSettings,
    negative: int | None,
) -> None:
    """Write what each class trusts: a table of all candidates (CSV), and settings to be added to the configuration.

    known: one entry per data set. Raises UserError if `score.bootstrap` is 0, because the margin needs it.
    """
    if not score.bootstrap:
        raise UserError(
            "score.bootstrap: found 0, but the choice of members needs the standard error of a bootstrap"
        )
    images = all(found.images is not None for found in known)
    named = candidates(ensemble, images=images)
    selectable = [index for index in range(len(names)) if index != negative or ensemble.negative == "own"]
    values = predicted_by(known, ensemble, named, selectable, negative=negative)
    truth = np.concatenate([found.truth for found in known])
    fields = np.concatenate(
        [[f"{number}/{field_id}" for field_id in found.cells["ID"]] for number, found in enumerate(known)]
    )
    parts = np.concatenate([found.cells["part"].to_numpy() for found in known])
    choices = {
        index: choose(values[:, :, index], truth[:, index], fields, list(named), settings, score=score)
        for index in selectable
    }
    crossed = {
        index: crossed_precision(
            values[:, :, index], truth[:, index], fields, parts, list(named), settings=settings, score=score
        )
        for index in selectable
    }
    write_csv(members_csv, choice_table(choices, crossed, list(named), names), digits=4)
    chosen = {index: named[found.chosen] for index, found in choices.items()}
    final = trusting(ensemble, chosen)
    changed = [names[index] for index, found in choices.items() if found.chosen != CONFIGURED]
    with written_whole(members_yaml) as temporary:
        temporary.write_text(_comment(choices, names) + overlay_text(final, names), encoding="utf-8")
    means = np.nanmean(list(crossed.values()), axis=0).tolist()
    log.info(
        "%d of %d classes trust other members than the configured ones; mean average precision over the classes on "
        "held-out parts: %.4f with the configured members, %.4f with members chosen on the other parts",
        len(changed),
        len(choices),
        *means,
    )


def choose(
    values: np.ndarray,
    truth: np.ndarray,
    fields: np.ndarray,
    names: Sequence[str],
    settings: MemberChoiceSettings,
    *,
    score: ScoreSettings,
) -> ClassChoice:
    """Choose the candidate that one class trusts.

    values: (candidates, n) probabilities, the configured members first. truth: (n,) in 1 and 0, NaN where it is not
    known. fields: (n,) the field of each cell. Of the candidates whose gain exceeds the margin, the best is chosen.
    """
    known = ~np.isnan(truth)
    values, shows = values[:, known], truth[known] == 1
    found, numbers = np.unique(fields[known], return_inverse=True)
    cells = int(shows.sum())
    if not cells:
        nothing = np.full(len(names), np.nan)
        return ClassChoice(names[0], np.nan, 0, nothing, nothing, nothing, nothing, nothing)
    random = np.random.default_rng(score.seed)
    draws = random.multinomial(len(found), np.full(len(found), 1 / len(found)), score.bootstrap)
    # The first draw is the fields as they are.
    draws = np.concatenate([np.ones((1, len(found)), draws.dtype), draws])
    positives = draws @ np.bincount(numbers, shows, minlength=len(found))
    precision = np.empty((len(names), len(draws)))
    for row, column in zip(precision, values, strict=True):
        order = np.argsort(-column, kind="stable")
        row[:] = average_precision(shows[order], positives, draws[:, numbers[order]])
    ap, drawn = precision[:, 0], precision[:, 1:]
    tails = (0.5 - score.interval / 2, 0.5 + score.interval / 2)
    # A draw without any cell that shows the class says nothing.
    drawn = drawn[:, ~np.isnan(drawn[0])]
    if drawn.shape[1] < 2:
        nothing = np.full(len(names), np.nan)
        return ClassChoice(names[0], float(ap[0]), cells, ap, nothing, nothing, ap - ap[0], nothing)
    low, high = np.quantile(drawn, tails, axis=1)
    gain, error = ap - ap[0], (drawn - drawn[0]).std(axis=1, ddof=1)
    margin = np.maximum(settings.standard_errors * error, settings.least_gain)
    # Candidates that are equal may differ in their last digits.
    better = np.flatnonzero(gain > np.maximum(margin, 1e-9))
    best = int(better[np.argmax(gain[better])]) if len(better) and cells >= settings.least_cells else 0
    return ClassChoice(names[best], float(ap[best]), cells, ap, low, high, gain, error)


def crossed_precision(
    values: np.ndarray,
    truth: np.ndarray,
    fields: np.ndarray,
    parts: np.ndarray,
    names: Sequence[str],
    *,
    settings: MemberChoiceSettings,
    score: ScoreSettings,
) -> tuple[float, float]:
    """Average precision of a class with the configured members, and with what is chosen on the other parts.

    Both are means over the parts, weighted by their cells that show the class: probabilities of different candidates
    are not ranked together. Arguments as in `choose`; parts: (n,) part of each cell, such as its fold. NaN if no cell
    shows the class.
    """
    sums, cells = np.zeros(2), 0
    for part in np.unique(parts):
        inside = parts == part
        other = choose(values[:, ~inside], truth[~inside], fields[~inside], names, settings, score=score)
        inside &= ~np.isnan(truth)
        shown = int(truth[inside].sum())
        cells += shown
        for place, candidate in enumerate((0, list(names).index(other.chosen))):
            if shown:
                sums[place] += shown * _precision(values[candidate, inside], truth[inside] == 1)
    before, after = (sums / cells).tolist() if cells else (np.nan, np.nan)
    return before, after


def _precision(values: np.ndarray, shows: np.ndarray) -> float:
    """Average precision of cells in the order of their values (n,)."""
    order = np.argsort(-values, kind="stable")
    return float(average_precision(shows[order], np.array([shows.sum()]), np.ones((1, len(shows)), int))[0])


def choice_table(
    choices: Mapping[int, ClassChoice],
    crossed: Mapping[int, tuple[float, float]],
    candidate_names: Sequence[str],
    names: Sequence[str],
) -> pd.DataFrame:
    """Return one row for each class and candidate, with what is chosen."""
    rows = [
        (names[index], found.cells, name, "yes" if name == found.chosen else "", *numbers, *crossed[index])
        for index, found in choices.items()
        for name, *numbers in zip(
            candidate_names, found.ap, found.low, found.high, found.gain, found.error, strict=True
        )
    ]
    return pd.DataFrame(
        rows,
        columns=[
            "class",
            "cells",
            "candidate",
            "chosen",
            "ap",
            "low",
            "high",
            "gain",
            "standard_error",
            "held_out_configured",
            "held_out_chosen",
        ],
    )


def _comment(choices: Mapping[int, ClassChoice], names: Sequence[str]) -> str:
    lines = [
        "# Members that each class trusts, chosen on out-of-fold predictions. Paste it into the configuration,"
    ]
    lines.append(
        "# or add this file to the run: --configfile config/config.yaml results/member_weights/members.yaml"
    )
    for index, found in choices.items():
        if found.chosen != CONFIGURED:
            lines.append(
                f"#   {names[index]}: {found.chosen} (average precision {found.ap[0]:.3f} -> {found.ap_chosen:.3f})"
            )
    if len(lines) == 2:
        lines.append("#   No class trusts other members than the configured ones.")
    return "\n".join([*lines, ""])
