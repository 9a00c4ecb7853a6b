"""What the making of targets has to know of the fields of a data set."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence

from puzzlecell.config.datasets import FoldSettings
from puzzlecell.config.labels import WithoutClass
from puzzlecell.data.duplicates import read_contents
from puzzlecell.data.fold_column import column_keys
from puzzlecell.data.folds import group_keys
from puzzlecell.data.labels import read_ids, read_labels
from puzzlecell.data.tables import read_csv, read_parquet
from puzzlecell.teaching.targets import FieldFacts

AnyPath = str | os.PathLike


def field_facts(
    dataset: str,
    *,
    labelled: bool,
    labels: Mapping[str, AnyPath],
    folds_csv: AnyPath,
    contents: Iterable[AnyPath],
    seen: Collection[str],
    settings: FoldSettings,
    cell_tables: Sequence[AnyPath],
    classes: Sequence[str],
    without_class: WithoutClass = "error",
) -> FieldFacts:
    """Collect what is known of the fields of a data set.

    labelled: whether the fields have labels and folds. seen: other data sets with labels, whose fields must not be like
    those of this one, because a teacher was trained on all of them. labels: label tables of `seen` and, if it has one,
    of this data set. contents: tables of `write_contents` of all of them. cell_tables: its
    tables of cells. Raises the errors of `read_labels` and `column_keys`.
    """
    folds = read_csv(folds_csv)
    own = folds[folds["dataset"] == dataset].set_index("ID")["fold"]
    others = folds.loc[folds["dataset"].isin(list(seen)), "ID"].tolist()
    field_ids = dict.fromkeys(
        field_id for path in cell_tables for field_id in read_parquet(path, ["ID"])["ID"]
    )
    return FieldFacts(
        fold=own if labelled else None,
        present=read_labels(labels[dataset], classes, without_class) if labelled else None,
        shared=shared_fields(
            field_ids,
            others,
            group=settings.group,
            keys=[_by_column(labels, settings.column, dataset, labelled), read_contents(contents)],
        ),
    )


def shared_fields(
    field_ids: Iterable[str],
    others: Sequence[str],
    *,
    group: str | None,
    keys: Sequence[Mapping[str, str]] = (),
) -> set[str]:
    """IDs of fields that have a key, or the group of `folds.group`, in common with one of `others`.

    keys: by ID, such as the value of `folds.column`, or the content of the image.
    """
    if not others:
        return set()
    field_ids = list(field_ids)
    groups = set(group_keys(others, group))
    found = {one for one, key in zip(field_ids, group_keys(field_ids, group), strict=True) if key in groups}
    for by_id in keys:
        known = {by_id[other] for other in others if other in by_id}
        found |= {one for one in field_ids if by_id.get(one) in known}
    return found


def _by_column(
    labels: Mapping[str, AnyPath], column: str | None, dataset: str, labelled: bool
) -> dict[str, str]:
    """Values of `folds.column` by ID; a table of fields without labels may lack the column."""
    used = [
        path
        for name, path in labels.items()
        if name != dataset or labelled or column is None or column in read_ids(path)
    ]
    return column_keys(used, column)
