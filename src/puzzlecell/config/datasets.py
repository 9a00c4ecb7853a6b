"""Settings of data sets, of the store and of the folds."""

from typing import Literal

from pydantic import Field

from puzzlecell.config.base import Section
from puzzlecell.config.simulation import SimulationSettings


class DatasetSettings(Section):
    """A data set: a folder of raw fields and a table of their IDs."""

    role: Literal["train", "additional", "holdout", "test"] = Field(
        description="`train` sets are split into folds together, `additional` ones each on its own; `holdout` is "
        "labelled and never trained on; `test` gets the submission."
    )
    path: str | None = Field(None, description="Folder of the data set; null is data/<name>.")
    labels: str | None = Field(
        None, description="Table with a column ID, and Label; null is <path>/labels.csv."
    )
    truth: str | None = Field(
        None,
        description="Table of the truth per cell, for the score; null takes <path>/truth.csv where it exists.",
    )
    pixel_size_um: float = Field(0.08, gt=0, description="Micrometres a pixel of the raw fields.")
    shards: int = Field(
        1, ge=1, le=1000, description="Files that the data set is stored in, and jobs per step."
    )
    simulate: SimulationSettings | None = Field(
        None, description="The data set is simulated under results/simulated."
    )


class IngestSettings(Section):
    """From raw PNGs to the store."""

    size: int = Field(512, ge=32, le=4096, description="Sides of a stored field in pixels.")
    max_rejected: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Fraction of a data set's fields that may be damaged; they are listed and skipped.",
    )


class FoldSettings(Section):
    """The split of the training fields."""

    count: int = Field(4, ge=2, le=99, description="Number of folds.")
    seed: int = Field(2020, ge=0, description="Seed of the shuffle before the split.")
    group: str | None = Field(
        None,
        description="Regular expression on IDs; fields that share its first group stay in one fold (wells, say).",
    )
