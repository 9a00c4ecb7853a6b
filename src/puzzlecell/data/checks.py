"""Checks of all data sets before anything is computed."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from puzzlecell.data.fields import check_field
from puzzlecell.data.labels import LabelError, read_ids, read_labels


@dataclass(frozen=True)
class RawDataset:
    """Paths of the raw files of a data set, and whether its fields need labels."""

    images: str | os.PathLike
    labels: str | os.PathLike
    labelled: bool


def dataset_problems(
    datasets: Mapping[str, RawDataset],
    classes: Sequence[str],
    max_rejected: float,
    threads: int = 1,
    *,
    sample: int | None = None,
) -> list[str]:
    """Return every problem found in the label tables and PNG headers of all data sets; no image is decoded.

    Problems are unusable label tables, IDs that occur in two data sets, and damaged fields, if they exceed the fraction
    `max_rejected` of their data set.
    sample: number of fields per data set, evenly spaced, whose headers are read; None: all.
    """
    problems: list[str] = []
    owner: dict[str, str] = {}
    for name, dataset in datasets.items():
        try:
            ids = read_ids(dataset.labels)["ID"].tolist()
            if dataset.labelled:
                read_labels(dataset.labels, classes)
        except LabelError as error:
            problems += str(error).splitlines()
            continue
        for field_id in ids:
            if field_id in owner:
                problems.append(f"{dataset.labels}: ID {field_id} is also in data set {owner[field_id]}")
            owner.setdefault(field_id, name)
    for name, dataset in datasets.items():
        ids = [field_id for field_id, of in owner.items() if of == name]
        if sample is not None and len(ids) > sample:
            ids = [ids[place * len(ids) // sample] for place in range(sample)]
        with ThreadPoolExecutor(threads) as pool:
            found = pool.map(lambda field_id, folder=dataset.images: check_field(folder, field_id)[1], ids)
        reasons = ["; ".join(reasons) for reasons in found if reasons]
        if len(reasons) > max_rejected * len(ids):
            problems += reasons
            problems.append(
                f"data set {name}: {len(reasons)} of {len(ids)} fields are damaged; "
                f"ingest.max_rejected allows at most a fraction of {max_rejected:g}"
            )
    return problems
