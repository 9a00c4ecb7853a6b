"""Settings of the files for other tools."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator

from puzzlecell.config.base import NO_EFFECT, Section
from puzzlecell.config.datasets import DatasetSettings

Format = Literal["h5ad", "csv", "geojson", "imagej", "ome_zarr"]
PREDICTED = ("test", "holdout")
"""Roles of the data sets that have predictions of cells."""


class OmeZarrSettings(Section):
    """Fields that are written as OME-Zarr, each a folder with the image and the label images of cells and nuclei."""

    fields: tuple[str, ...] = Field(
        (),
        description="The fields, each as `<data set>/<ID>`, such as `test/plate1_A01`.",
        json_schema_extra=NO_EFFECT,
    )
    version: Literal["0.4", "0.5"] = Field(
        "0.4",
        description="Version of OME-Zarr: `0.4` (Zarr 2), which most tools read, or `0.5` (Zarr 3).",
    )

    @field_validator("version", mode="before")
    @classmethod
    def _as_text(cls, version: object) -> object:
        # YAML reads 0.4 as a number.
        return str(version) if isinstance(version, float) else version


class ExportSettings(Section):
    """Files for other tools, in results/export ([how to open them](export.md))."""

    formats: tuple[Format, ...] = Field(
        ("h5ad", "csv"),
        description="What the targets `all` and `export` make, for test and holdout sets: one file per data set "
        "(`h5ad`: AnnData; `csv`: a compressed table), or one per field (`geojson`: QuPath; `imagej`: ImageJ and Fiji; "
        "`ome_zarr`: the fields of `ome_zarr.fields`, as images). Any format can also be asked for by the names of "
        "its files.",
        json_schema_extra=NO_EFFECT,
    )
    ome_zarr: OmeZarrSettings = OmeZarrSettings()


def split_field(text: str) -> tuple[str, str]:
    """Data set and ID of a field of `export.ome_zarr.fields`. IDs have no slashes, so there is one at most."""
    dataset, _, field_id = text.partition("/")
    return dataset, field_id


def export_problems(settings: ExportSettings, datasets: Mapping[str, DatasetSettings]) -> list[str]:
    """What contradicts itself in the section `export`."""
    key = "export.ome_zarr.fields"
    predicted = [name for name, dataset in datasets.items() if dataset.role in PREDICTED]
    found = [
        f"{key}: found {text!r}; expected <data set>/<ID>, with one of the data sets {', '.join(predicted)}"
        for text in settings.ome_zarr.fields
        if split_field(text)[0] not in predicted or not split_field(text)[1]
    ]
    found += [
        f"{key}: {text!r} is named twice"
        for text in dict.fromkeys(settings.ome_zarr.fields)
        if settings.ome_zarr.fields.count(text) > 1
    ]
    found += [
        f"export.formats: {name} is named twice"
        for name in dict.fromkeys(settings.formats)
        if settings.formats.count(name) > 1
    ]
    if "ome_zarr" in settings.formats and not settings.ome_zarr.fields:
        found.append(f"{key}: no field is named, but export.formats has ome_zarr")
    return found
