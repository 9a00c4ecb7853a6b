"""Settings of data sets, the store and the folds."""

import re
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator, model_validator

from puzzlecell.config.base import MAX_SEED, Section
from puzzlecell.config.download import DownloadSettings
from puzzlecell.config.intensity import IntensitySettings
from puzzlecell.config.naming import (
    DEFAULT_NAMING,
    ChannelGiven,
    ChannelName,
    Layout,
    naming_problem,
    places,
)
from puzzlecell.config.simulation import SimulationSettings

ASSUMED_PIXEL_UM = 0.08
"""Pixel size in micrometres of fields of which nothing is known: that of the Human Protein Atlas."""


@dataclass(frozen=True)
class DatasetFiles:
    """Paths or URLs of a data set: its folder, the folder of images, and its tables; table: of images, None: none.

    cell_labels: the grades of its cells, which it may lack.
    """

    folder: str
    images: str
    table: str | None
    labels: str
    truth: str
    cell_labels: str


class DatasetSettings(Section):
    """A data set: images of raw fields, and a table of their labels."""

    role: Literal["train", "additional", "holdout", "test", "unlabelled"] = Field(
        description="Use of the data set: all `train` sets are split into folds together; each `additional` set is "
        "split on its own; `holdout` sets are labelled but never used for training; `test` sets are predicted for "
        "the submission; `unlabelled` sets have no labels, but a stage with `kind: cells` may learn from predictions "
        "for them."
    )
    path: str | None = Field(
        None, description="Folder of the data set, or its URL `s3://bucket/folder`. null: `data/<name>`."
    )
    labels: str | None = Field(
        None,
        description="CSV with a column `ID` and the labels, either in a column `Label` or in one 0/1 column per "
        "class. Sets with the role test or unlabelled need no labels; if they have a table, its column `ID` says "
        "which fields there are. null: `<path>/labels.csv`, which these sets may lack.",
    )
    images: str | None = Field(
        None,
        description="Folder of the images, or a CSV (`.csv`) that names the images of each field. null: "
        "`<path>/images.csv` if there is one, else the folder `<path>/images`.",
    )
    naming: str = Field(
        DEFAULT_NAMING,
        description="How the files in the folder of images are named. `{ID}` is the name of the field, `{channel}` "
        "what `channels` says; other groups, such as `{well}`, become columns of the table of cells. `*` stands for "
        "any text, `{well,[A-P][0-9]+}` for what the regular expression matches, `/` separates folders.",
    )
    ID: str | None = Field(
        None,
        description="How an ID is composed of the groups of `naming`, such as `{well}_{site}`. null: `{ID}`, or if "
        "`naming` has no such group, all groups but `{channel}` in their order, with underscores between them.",
    )
    channels: dict[ChannelName, ChannelGiven] = Field(
        {},
        description="What red, green, blue and yellow are in the files: the text for `{channel}` (or the column of the "
        "CSV); the number of the channel, from 0, in files with several channels; a section as below; or `null` for "
        "a channel that does not exist and is black. Channels that are left out are called by their own names.",
    )
    truth: str | None = Field(
        None,
        description="CSV with the ground truth of each cell, for scoring. null: `<path>/truth.csv`, if it exists.",
    )
    cell_labels: str | None = Field(
        None,
        description="CSV with grades of single cells by people, to learn from and to score with. null: "
        "`<path>/cell_labels.csv`, if it exists.",
    )
    pixel_size_um: float | None = Field(
        None,
        gt=0,
        le=100,
        description="Pixel size of the raw fields in micrometres; a column `pixel_size_um` of `images.csv` goes before "
        f"it. null: that of the metadata of the images, or {ASSUMED_PIXEL_UM} if they have none.",
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

    def files(self, name: str) -> "DatasetFiles":
        """Where the files of the data set with this name are, if they exist."""
        folder = f"results/simulated/{name}" if self.simulate else self.path or f"data/{name}"
        images, table = f"{folder}/images", f"{folder}/images.csv"
        own = self.images is not None and self.images.lower().endswith(".csv")
        return DatasetFiles(
            folder=folder,
            images=self.images if self.images is not None and not own else images,
            table=None if self.simulate else self.images if own else table if self.images is None else None,
            labels=self.labels or f"{folder}/labels.csv",
            truth=self.truth or f"{folder}/truth.csv",
            cell_labels=self.cell_labels or f"{folder}/cell_labels.csv",
        )

    @property
    def labelled(self) -> bool:
        """Whether the fields need labels."""
        return self.role in ("train", "additional", "holdout")

    @property
    def layout(self) -> Layout:
        """How the images are found."""
        return Layout(self.naming, self.ID, places(self.channels), "naming" in self.model_fields_set)

    @model_validator(mode="after")
    def _images_can_be_found(self) -> "DatasetSettings":
        if self.simulate is not None:
            given = [name for name in ("images", "naming", "ID", "channels") if name in self.model_fields_set]
            if given:
                raise ValueError(
                    f"{given[0]}: simulated fields have their own files; remove {given[0]} or simulate"
                )
        elif self.images is not None and self.images.lower().endswith(".csv"):
            if "naming" in self.model_fields_set or self.ID is not None:
                given = ["naming" if "naming" in self.model_fields_set else "ID"]
                raise ValueError(f"{given[0]}: images is a table, which says where each image is; remove one")
        else:
            problem = naming_problem(self.naming, self.ID, self.layout.channels)
            if problem:
                raise ValueError(problem)
        return self


class IngestSettings(Section):
    """Conversion of raw images to the store, from which the networks read."""

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
    intensity: IntensitySettings = IntensitySettings()


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
