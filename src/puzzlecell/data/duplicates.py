"""Fields with equal images: found by the checksums of their images in the store."""

import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from puzzlecell.data.plausibility import Finding
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import read_csv, write_csv
from puzzlecell.runtime.messages import first_few

AnyPath = str | os.PathLike


def write_contents(path: AnyPath, store: AnyPath) -> None:
    """Write the contents of the fields of a shard (CSV `ID, content`), from its columns alone.

    The content is the checksum of the stored image (XXH3, 16 hex digits). It is empty for a field whose four channels
    are constant, since all black fields are alike.
    """
    reader = ShardReader([store])
    blank = (reader.column("contrast") == 0).all(axis=1)
    texts = [f"{value:016x}" for value in reader.checksums("images").tolist()]
    contents = np.where(blank, "", np.array(texts, dtype=object))
    write_csv(path, pd.DataFrame({"ID": reader.ids, "content": contents}))


def read_contents(paths: Iterable[AnyPath]) -> dict[str, str]:
    """Read tables of `write_contents`: ID -> content, for the fields that have one."""
    found: dict[str, str] = {}
    for path in paths:
        table = read_csv(path)
        found |= zip(table["ID"], table["content"], strict=True)
    return {field_id: content for field_id, content in found.items() if content}


def duplicates(contents: Mapping[str, str], ids: Iterable[str]) -> dict[str, list[str]]:
    """Return the contents that several of these fields have -> their IDs, in the order of `ids`."""
    found: dict[str, list[str]] = {}
    for field_id in ids:
        if field_id in contents:
            found.setdefault(contents[field_id], []).append(field_id)
    return {content: same for content, same in found.items() if len(same) > 1}


def duplicate_findings(
    same: Mapping[str, Sequence[str]], labels: pd.DataFrame, origin: Mapping[str, str]
) -> list[Finding]:
    """Return what to warn of: one finding per data set with duplicates, and one per field with other labels.

    same: from `duplicates`, for training fields. labels: index ID, one 0/1 column per class. origin: ID -> data set. A
    field is compared with the first one that has the same images.
    """
    others: dict[str, list[str]] = {}
    differing = []
    for first, *more in same.values():
        for field_id in more:
            others.setdefault(origin[field_id], []).append(f"{field_id} = {first}")
            own, given = labels.loc[field_id], labels.loc[first]
            if not own.equals(given):
                what = (
                    f"same images as {first}{_of_other_set(origin, first, field_id)}, but labelled {_named(own)}; "
                    f"there {_named(given)}"
                )
                differing.append(Finding(origin[field_id], field_id, what))
    whole = [
        Finding(
            dataset,
            "",
            f"fields with the same images as an earlier one: {len(pairs)} ({first_few(pairs, 3)}); they are kept in "
            "its fold",
        )
        for dataset, pairs in others.items()
    ]
    return whole + differing


def shared_findings(
    trained: Mapping[str, Mapping[str, str]], others: Mapping[str, Mapping[str, str]]
) -> list[Finding]:
    """Return one finding per holdout or test set that shares images with training sets.

    trained, others: data set -> ID -> content.
    """
    known = {
        content: (dataset, field_id)
        for dataset, contents in reversed(list(trained.items()))
        for field_id, content in contents.items()
    }
    findings = []
    for dataset, contents in others.items():
        shared = [(field_id, known[content]) for field_id, content in contents.items() if content in known]
        if shared:
            pairs = [f"{field_id} = {same} of {owner}" for field_id, (owner, same) in shared]
            findings.append(
                Finding(
                    dataset,
                    "",
                    f"fields with the same images as a training field: {len(shared)} of {len(contents)} "
                    f"({first_few(pairs, 3)}); a score on them says too much",
                )
            )
    return findings


def _of_other_set(origin: Mapping[str, str], first: str, field_id: str) -> str:
    return "" if origin[first] == origin[field_id] else f" of {origin[first]}"


def _named(labels: pd.Series) -> str:
    return "|".join(labels.index[labels.to_numpy() > 0])
