"""How far probabilities are from what cells show: reliability and expected calibration error.

The cells are put into bins of equal width by probability. The expected calibration error (Naeini et al. 2015; Guo et
al. 2017, "On calibration of modern neural networks") is the mean over the bins, weighted by their cells, of
|mean probability - fraction that shows the class|.
"""

from dataclasses import dataclass

import numpy as np

from puzzlecell.config.score import ScoreSettings


@dataclass(frozen=True)
class Reliability:
    """Reliability of probabilities.

    bins: (bins,) numbers from 1 of the bins that have cells. cells, predicted, observed, low, high: (bins,) number of
    cells, mean probability, fraction that shows the class, and the ends of its bootstrap interval. error, error_low,
    error_high: expected calibration error and its interval. NaN without a bootstrap, and all without cells.
    """

    bins: np.ndarray
    cells: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    error: float
    error_low: float
    error_high: float


def bin_of(values: np.ndarray, bins: int) -> np.ndarray:
    """Number (n,) from 1 of the bin of each value (n,) between 0 and 1."""
    return np.minimum((values * bins).astype(int), bins - 1) + 1


def reliability(
    values: np.ndarray, truth: np.ndarray, fields: np.ndarray, *, bins: int, settings: ScoreSettings
) -> Reliability:
    """Compare probabilities with truth (n,) in 0 and 1, or NaN where it is not known.

    fields: (n,) the field of each cell; the bootstrap draws fields, since the cells of one are alike. The interval of
    the error is the basic one, 2 x error - quantiles of the drawn errors (Davison and Hinkley 1997), not below 0: noise
    mostly adds to the error, so the drawn errors lie above it, and the interval may end below it.
    """
    known = ~np.isnan(truth)
    values, shows = values[known].astype(np.float64), truth[known]
    if not len(values):
        empty = np.empty(0)
        return Reliability(empty, empty, empty, empty, empty, empty, np.nan, np.nan, np.nan)
    used, numbers = np.unique(bin_of(values, bins), return_inverse=True)
    names = np.unique(fields[known], return_inverse=True)[1]
    # By field and bin: cells, sum of the probabilities, number of cells that show the class.
    sums = np.zeros((3, names.max() + 1, numbers.max() + 1))
    for total, column in zip(sums, (np.ones(len(values)), values, shows), strict=True):
        np.add.at(total, (names, numbers), column)
    cells, predicted, observed = sums.sum(axis=1)
    error = np.abs(predicted - observed).sum() / cells.sum()
    none = np.full(len(cells), np.nan)
    low, high, error_low, error_high = none, none, np.nan, np.nan
    if settings.bootstrap:
        random = np.random.default_rng(settings.seed)
        count = sums.shape[1]
        draws = random.multinomial(count, np.full(count, 1 / count), settings.bootstrap)
        drawn, drawn_predicted, drawn_observed = np.einsum("df,kfb->kdb", draws, sums)
        tails = [0.5 - settings.interval / 2, 0.5 + settings.interval / 2]
        fractions = np.divide(
            drawn_observed, drawn, out=np.tile(observed / cells, (len(drawn), 1)), where=drawn > 0
        )
        low, high = np.quantile(fractions, tails, axis=0)
        errors = np.abs(drawn_predicted - drawn_observed).sum(axis=1) / np.maximum(drawn.sum(axis=1), 1)
        error_high, error_low = np.maximum(2 * error - np.quantile(errors, tails), 0)
    return Reliability(
        used,
        cells.astype(int),
        predicted / cells,
        observed / cells,
        low,
        high,
        float(error),
        float(error_low),
        float(error_high),
    )
