"""Settings of data sets, the store and the folds."""

import re
from typing import Literal

from pydantic import Field, field_validator

from puzzlecell.config.base import MAX_SEED, Section
from puzzlecell.config.download import DownloadSettings
from puzzlecell.config.simulation import SimulationSettings


class DatasetSettings(Section):
    """A data set: a folder of raw fields and a table of their IDs."""

    role: Literal["train", "additional", "holdout", "test"] = Field(
        description="Use of the data set: all `train` sets are split into folds together; each `additional` set is "
        "split on its own; `holdout` sets are labelled but never used for training; `test` sets are predicted for "
        "the submission."
    )
    path: str | None = Field(
        None, description="Folder of the data set, or its URL `s3://bucket/folder`. null: `data/<name>`."
    )
    labels: str | None = Field(
        None,
        description="CSV with a column `ID` and the labels, either in a column `Label` or in one 0/1 column per "
        "class; a test set needs only `ID`. null: `<path>/labels.csv`.",
    )
    truth: str | None = Field(
        None,
        description="CSV with the ground truth of each cell, for scoring. null: `<path>/truth.csv`, if it exists.",
    )
    pixel_size_um: float = Field(
        0.08, gt=0, le=100, description="Pixel size of the raw fields in micrometres."
    )
    shards: int = Field(
        1,
        ge=1,
        le=1000,
        description="Number of files (shards) that the data set is stored in, and of parallel jobs per step.",
    )
    download: DownloadSettings | None = Field(
        None,
        description="Where the fields of the data set can be downloaded from, by `snakemake download`, into `path`. "
        "null: they are there.",
    )
    simulate: SimulationSettings | None = Field(
        None,
        description="Settings of a simulated data set, written to `results/simulated/<name>` and used in place of "
        "`path`. null: the data set is read from files.",
    )


class IngestSettings(Section):
    """Conversion of raw PNGs to the store, from which the networks read."""

    size: int = Field(
        512, ge=32, le=4096, description="Side of a stored field in pixels; raw fields are resized to it."
    )
    max_rejected: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Fraction of the fields of a data set that may be damaged; damaged fields are listed and skipped.",
    )
    max_megapixels: float = Field(
        100,
        gt=0,
        description="Largest accepted raw image, in millions of pixels; a field with a larger one counts as damaged. "
        "Reading a field takes 8 to 30 bytes of memory per pixel.",
    )


class FoldSettings(Section):
    """The split of the training fields into cross-validation folds."""

    count: int = Field(4, ge=2, le=99, description="Number of cross-validation folds.")
    seed: int = Field(2020, ge=0, le=MAX_SEED, description="Random seed of the split.")
    group: str | None = Field(
        None,
        description="Regular expression searched in the field IDs; fields with the same first capture group, for "
        "example those of one well, stay in the same fold. A field in whose ID it is not found is split on its own. "
        "null: every field is split on its own.",
    )

    column: str | None = Field(
        None,
        description="Column of the label tables, such as `antibody`; fields with the same value stay in the same fold, "
        "also those of different data sets. A field without a value is split on its own. null: no column.",
    )

    @field_validator("group")
    @classmethod
    def _compiles(cls, group: str | None) -> str | None:
        try:
            re.compile(group or "")
        except re.error as error:
            raise ValueError(f"{group!r} is not a regular expression: {error}") from error
        return group
