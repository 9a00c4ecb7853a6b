"""A normal distribution with a shrunken covariance, in the form of its first principal components."""

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import OAS

COMPONENTS = 128
"""Number of principal components that are kept; the variance of the others is replaced by its mean."""


@dataclass(frozen=True)
class Normal:
    """A normal distribution of d values.

    mean: (d,); components: (k, d), orthonormal; variances: (k,), of the components; rest: variance in each direction
    orthogonal to them.
    """

    mean: np.ndarray
    components: np.ndarray
    variances: np.ndarray
    rest: float

    def distance(self, values: np.ndarray) -> np.ndarray:
        """Mahalanobis distance (n,) of values (n, d), divided by sqrt(d); NaN for a row with a NaN.

        In the components and in what they leave over, as for probabilistic principal components (Tipping and Bishop,
        J. R. Stat. Soc. B 61, 1999).
        """
        centred = values.astype(np.float64) - self.mean
        along = centred @ self.components.T
        left = np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 0)
        squares = (along**2 / self.variances).sum(axis=1) + left / self.rest
        return np.sqrt(squares / len(self.mean))


def fit(values: np.ndarray, smallest: float) -> Normal:
    """Fit the mean and covariance of values (n, d) by oracle approximating shrinkage; rows with a NaN do not count.

    The estimator is that of Chen et al., IEEE Trans. Signal Process. 58, 2010; it is positive definite for fewer rows
    than values too. smallest: standard deviation to which smaller ones are raised, so that a distance from constant
    values is finite. Raises ValueError without rows.
    """
    known = values[~np.isnan(values).any(axis=1)].astype(np.float64)
    if not len(known):
        raise ValueError("no row without a NaN to fit a distribution to")
    covariance = OAS().fit(known).covariance_
    variances, vectors = np.linalg.eigh(covariance)
    variances = np.maximum(variances[::-1], smallest**2)
    kept = min(COMPONENTS, len(variances))
    rest = variances[kept:].mean() if kept < len(variances) else variances[-1]
    return Normal(known.mean(axis=0), vectors[:, ::-1].T[:kept], variances[:kept], float(rest))
