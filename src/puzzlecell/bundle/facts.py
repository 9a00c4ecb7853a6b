"""What a bundle says about its training fields and its networks, read from the results of a run."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from puzzlecell.config.workflow import Configuration
from puzzlecell.data.chance import read_held_out
from puzzlecell.data.field_sources import RawDataset
from puzzlecell.data.ids import read_field_ids
from puzzlecell.data.pixel_sizes import stated_pixel_sizes
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import read_csv
from puzzlecell.network.network_file import read_network_file

AnyPath = str | os.PathLike
SAMPLED = 64
"""Fields of a data set whose pixels are looked at."""


def image_facts(
    settings: Configuration, stores: Mapping[str, AnyPath], raw: Mapping[str, RawDataset]
) -> dict[str, Any]:
    """Channels, pixel sizes and intensities of the training fields.

    stores: the first shard of each training data set; raw: where its raw data is, if that is known. Lengths are in
    micrometres. `field_um` and `stored_pixel_um` are medians over all fields of these shards (the side of a field, as
    the root of its area; the same divided by the side of a stored field); `intensity` has, for each channel, the mean
    over sampled stored fields of their median and of their 99 % quantile, in grey levels of 255. Keys are missing where
    no training field is known.
    """
    size = settings.ingest.size
    found: dict[str, Any] = {"channels": list(CHANNELS), "stored_size": size}
    sides, sizes, depths, quantiles = [], set(), set(), []
    for name, path in stores.items():
        reader = ShardReader([path])
        if not len(reader):
            continue
        table = reader.table
        pixels = np.sqrt(table["height"].to_numpy(np.float64) * table["width"].to_numpy(np.float64))
        of_fields = stated_pixel_sizes(settings.datasets[name].pixel_size_um, raw.get(name)).of(table)
        sides.append(pixels * of_fields)
        sizes |= {float(f"{size:.4g}") for size in of_fields}
        depths |= {int(depth) for depth in table["bit_depth"]}
        quantiles += [intensity_quantiles(reader.read(field_id)) for field_id in spread(reader.ids, SAMPLED)]
    if sides:
        side = float(np.median(np.concatenate(sides)))
        mean = np.mean(quantiles, axis=0)
        found |= {
            "pixel_size_um": sorted(sizes),
            "field_um": round(side, 3),
            "stored_pixel_um": round(side / size, 5),
            "bit_depth": sorted(depths),
            "intensity": {
                channel: {"median": round(float(median), 2), "q99": round(float(high), 2)}
                for channel, (median, high) in zip(CHANNELS, mean, strict=True)
            },
        }
    return found


def intensity_quantiles(field: np.ndarray) -> np.ndarray:
    """Median and 99 % quantile of each channel. field: (H, W, 4) uint8 -> (4, 2) float64."""
    return np.quantile(field.reshape(-1, len(CHANNELS)), (0.5, 0.99), axis=0).T


def spread(values: Sequence[str], most: int) -> list[str]:
    """At most `most` values, evenly spaced."""
    if len(values) <= most:
        return list(values)
    return [values[place] for place in np.linspace(0, len(values) - 1, most).astype(int)]


def training_facts(
    settings: Configuration,
    classes: Sequence[str],
    labels: Mapping[str, AnyPath],
    held_out: Mapping[tuple[str, str], Sequence[AnyPath]],
) -> dict[str, Any]:
    """Sizes of the training data sets, and how well each trained stage of the ensemble ranks held-out fields.

    labels: label table of each training data set. held_out: predictions of each fold (`oof.csv`), by model and stage.
    `average_precision` is that of the field's probability over all folds, null for a class that no field has.
    """
    datasets = {
        name: {
            "role": settings.datasets[name].role,
            "fields": len(read_field_ids(path)),
            "simulated": settings.datasets[name].simulate is not None,
        }
        for name, path in labels.items()
    }
    stages = []
    for (model, stage), paths in held_out.items():
        folds = [read_held_out(path, len(classes)) for path in paths]
        truth = np.concatenate([fold[0] for fold in folds])
        values = np.concatenate([fold[1] for fold in folds])
        precision = [
            round(float(average_precision_score(truth[:, index], values[:, index])), 4)
            if truth[:, index].any()
            else None
            for index in range(len(classes))
        ]
        stages.append(
            {
                "model": model,
                "stage": stage,
                "datasets": list(settings.models[model].stages[stage].datasets),
                "fields": len(truth),
                "positives": truth.sum(axis=0).tolist(),
                "average_precision": precision,
            }
        )
    return {"datasets": datasets, "stages": stages}


def member_facts(
    settings: Configuration, weights: Mapping[tuple[str, str], Sequence[AnyPath]]
) -> list[dict[str, Any]]:
    """Network and input sizes of each stage, from the metadata of its first fold; all files are checked.

    `kind` is there for stages that were trained on cells alone.

    Raises NetworkError and DamagedFileError.
    """
    found = []
    for (model, stage), paths in weights.items():
        metadata, *_ = [read_network_file(path) for path in paths]
        found.append(
            {
                "model": model,
                "stage": stage,
                "network": metadata["network"],
                "field_size": metadata["field_size"],
                "crop_size": metadata["crop_size"],
                "trained_with": metadata.get("versions", {}),
            }
        )
        if settings.models[model].stages[stage].kind == "cells":
            found[-1]["kind"] = "cells"
    return found


def score_facts(tables: Mapping[str, AnyPath]) -> dict[str, list[dict[str, Any]]]:
    """Scores of data sets with ground truth per cell: the rows of `results/score/<ds>.csv`."""
    return {
        name: [
            {
                "prediction": row["prediction"],
                **{key: _number(row[key]) for key in ("mean_ap", "low", "high")},
            }
            for row in read_csv(path).to_dict("records")
        ]
        for name, path in tables.items()
    }


def _number(value: object) -> float | None:
    """A value of a table; None for an empty one, as in a column in which others may have become texts."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return None if math.isnan(number) else number
