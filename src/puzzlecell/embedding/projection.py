"""Embeddings in two dimensions."""

from dataclasses import dataclass

import numpy as np

from puzzlecell.config.embeddings import EmbeddingSettings
from puzzlecell.errors import UserError

FEWEST = 3
"""Cells of the smallest picture."""


@dataclass(frozen=True)
class Projection:
    """Places (n, 2) float32 of cells, and what the axes are called."""

    places: np.ndarray
    axes: tuple[str, str]


def projected(values: np.ndarray, method: str, settings: EmbeddingSettings) -> Projection:
    """Lay out embeddings (n, D) by `pca` or `umap`; equal embeddings give equal places, run for run.

    Raises UserError for fewer than three cells, and for UMAP if there are no more cells than neighbours of each.
    """
    if len(values) < FEWEST:
        raise UserError(f"only {len(values)} cells have embeddings; a picture needs at least {FEWEST}")
    if method == "pca":
        return _principal_components(values)
    return _umap(values, settings)


def _principal_components(values: np.ndarray) -> Projection:
    """The two directions in which embeddings differ most. The largest entry of each direction is positive."""
    from sklearn.decomposition import PCA

    parts = min(2, *values.shape)
    model = PCA(parts, svd_solver="full" if len(values) < values.shape[1] else "covariance_eigh")
    # Equal embeddings have no variance to have a share of.
    with np.errstate(invalid="ignore"):
        model.fit(values.astype(np.float64))
    directions = model.components_
    largest = np.abs(directions).argmax(axis=1)
    directions = directions * np.where(directions[np.arange(parts), largest] < 0, -1, 1)[:, None]
    places = np.zeros((len(values), 2), np.float32)
    places[:, :parts] = (values - model.mean_) @ directions.T
    shares = [*np.nan_to_num(model.explained_variance_ratio_), 0.0]
    first, second = (
        f"principal component {n} ({share:.0%} of the variance)" for n, share in enumerate(shares[:2], 1)
    )
    return Projection(places, (first, second))


def _umap(values: np.ndarray, settings: EmbeddingSettings) -> Projection:
    """UMAP (McInnes, Healy and Melville 2018) by cosine distance, with a fixed seed."""
    from umap import UMAP

    given = settings.umap
    if len(values) <= given.neighbours:
        raise UserError(
            f"embeddings.umap.neighbours: {given.neighbours} for {len(values)} cells; expected fewer neighbours than "
            "cells"
        )
    model = UMAP(
        n_neighbors=given.neighbours,
        min_dist=given.min_distance,
        metric="cosine",
        random_state=settings.seed,
        n_jobs=1,
    )
    return Projection(model.fit_transform(values).astype(np.float32), ("UMAP 1", "UMAP 2"))
