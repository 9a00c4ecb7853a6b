"""The files of the folds: the folds themselves, how even they are, and what looks wrong in them."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from puzzlecell.config.class_table import read_classes
from puzzlecell.config.datasets import FoldSettings
from puzzlecell.config.labels import WithoutClass
from puzzlecell.data.duplicates import duplicate_findings, duplicates, read_contents
from puzzlecell.data.fold_column import column_keys
from puzzlecell.data.fold_report import WELL, fold_report, report_lines, torn, wells
from puzzlecell.data.folds import (
    FoldError,
    assign_folds,
    fold_problems,
    group_keys,
    parts,
    split_fields,
    ungrouped,
)
from puzzlecell.data.labels import read_labels
from puzzlecell.data.plausibility import Finding
from puzzlecell.data.tables import write_csv
from puzzlecell.runtime.messages import first_few

log = logging.getLogger(__name__)

AnyPath = str | os.PathLike


@dataclass(frozen=True)
class FoldFiles:
    """Where the results go.

    folds: CSV `ID, dataset, fold`. report: CSV, see `fold_report`. warnings: CSV `dataset, ID, what`.
    """

    folds: AnyPath
    report: AnyPath
    warnings: AnyPath


def write_folds(
    files: FoldFiles,
    *,
    train: Mapping[str, AnyPath],
    additional: Mapping[str, AnyPath],
    contents: Iterable[AnyPath] = (),
    classes: AnyPath,
    settings: FoldSettings,
    without_class: WithoutClass = "error",
) -> None:
    """Write the folds of all training fields, the report, and the warnings, which are logged too.

    train, additional: data set -> path of its label table; see `assign_folds`. contents: tables of `write_contents` of
    these data sets. without_class: see `read_labels`. Raises FoldError for every problem that `fold_problems` finds,
    and TableError for a label table without `folds.column`.
    """
    names = read_classes(classes)
    train_labels = {dataset: read_labels(path, names, without_class) for dataset, path in train.items()}
    more_labels = {dataset: read_labels(path, names, without_class) for dataset, path in additional.items()}
    train_ids, more_ids = _ids(train_labels), _ids(more_labels)
    by_column = column_keys([*train.values(), *additional.values()], settings.column)
    problems = fold_problems(train_ids, more_ids, settings, {name: (key,) for name, key in by_column.items()})
    if problems:
        raise FoldError("\n".join(problems))
    for warning in ungrouped({**train_ids, **more_ids}, settings.group):
        log.warning("%s", warning)

    split = parts(train_labels, more_labels)
    same = _duplicates(read_contents(contents), split)
    of_id = {field_id: content for content, ids in same.items() for field_id in ids}
    together = {
        field_id: [keys[field_id] for keys in (of_id, by_column) if field_id in keys]
        for field_id in of_id.keys() | by_column.keys()
    }
    table = assign_folds(train_labels, more_labels, settings, together)
    folds = table.set_index("ID")["fold"]
    findings = duplicate_findings(
        same,
        pd.concat([labelled for labelled, _ in split.values()]),
        dict(zip(table["ID"], table["dataset"], strict=True)),
    )
    reports = []
    for name, (labelled, _) in split.items():
        reports.append(fold_report(labelled, folds, settings.count, name))
        for line in report_lines(reports[-1]):
            log.info("%s", line)
        findings += _torn_wells(name, labelled, folds, settings)
        _torn_groups(name, labelled, settings, by_column)
    _log(findings)
    write_csv(files.folds, table)
    write_csv(files.report, pd.concat(reports, ignore_index=True), digits=2)
    rows = [(finding.dataset, finding.ID, finding.what) for finding in findings]
    write_csv(files.warnings, pd.DataFrame(rows, columns=["dataset", "ID", "what"]))


def _ids(tables: Mapping[str, pd.DataFrame]) -> dict[str, list[str]]:
    return {name: table.index.tolist() for name, table in tables.items()}


def _duplicates(contents: Mapping[str, str], split: Mapping[str, tuple]) -> dict[str, list[str]]:
    return duplicates(contents, (field_id for labels, _ in split.values() for field_id in labels.index))


def _torn_wells(name: str, labels: pd.DataFrame, folds: pd.Series, settings: FoldSettings) -> list[Finding]:
    """A finding if no groups are set, but the IDs look like wells, and fields of one well are in several folds."""
    chosen = settings.group is not None or settings.column is not None
    keys = None if chosen else wells(labels.index)
    if keys is None:
        return []
    several, total = torn(keys, folds.loc[labels.index])
    if not several:
        return []
    return [
        Finding(
            name,
            "",
            f"the IDs look like wells, and the folds separate the fields of {several} of {total} wells with several "
            f"fields; these show the same antibody, so held-out scores are too good. Set folds.group: '{WELL}'",
        )
    ]


def _torn_groups(
    name: str, labels: pd.DataFrame, settings: FoldSettings, by_column: Mapping[str, str]
) -> None:
    """Warn how many groups would be separated without `folds.group` or `folds.column`."""
    kinds = {}
    if settings.group is not None:
        kinds["folds.group"] = group_keys(labels.index, settings.group)
    if settings.column is not None:
        kinds["folds.column"] = [by_column.get(field_id, field_id) for field_id in labels.index]
    if all(len(set(keys)) == len(keys) for keys in kinds.values()):
        return
    plain = split_fields(labels, settings.count, settings.seed)
    for kind, keys in kinds.items():
        several, total = torn(keys, plain)
        log.warning(
            "%s: %s keeps %d groups of several fields together; a split field by field would tear %d of them",
            name,
            kind,
            total,
            several,
        )


def _log(findings: Sequence[Finding]) -> None:
    for finding in findings:
        if not finding.ID:
            log.warning("%s: %s", finding.dataset, finding.what)
    single = [finding.ID for finding in findings if finding.ID]
    if single:
        log.warning(
            "fields with the same images as another, but other labels: %d (%s)",
            len(single),
            first_few(single),
        )
