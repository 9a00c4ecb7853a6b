"""The table `results/warnings.csv`: what looked wrong in a run and did not stop it."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pandas as pd

from puzzlecell.config.plausibility import PlausibilitySettings
from puzzlecell.data.chance import class_findings, read_held_out
from puzzlecell.data.duplicates import read_contents, shared_findings
from puzzlecell.data.field_summary import read_cells, read_stored, summarise
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.plausibility import Finding, dataset_findings, field_findings
from puzzlecell.data.tables import read_csv, write_csv
from puzzlecell.data.unlike import read_distances, unlike_findings
from puzzlecell.runtime.bucket import is_url, split, upload
from puzzlecell.runtime.checksums import checksum_path

AnyPath = str | os.PathLike
Read = TypeVar("Read")
COLUMNS = ["dataset", "ID", "what"]
SHOWN, WIDTH = 6, 300
"""How many findings about whole data sets the terminal shows, and how many characters of each."""


@dataclass(frozen=True)
class DatasetFiles:
    """Results of a data set, one of each kind per shard; those that do not exist are left out of the table.

    contents: tables of `write_contents`, in which images that occur in training and other sets are looked for.
    """

    dataset: str
    pixel_sizes: PixelSizes
    stores: Sequence[AnyPath]
    rejected: Sequence[AnyPath]
    cells: Sequence[AnyPath]
    unlike: Sequence[AnyPath] = ()
    role: str = "test"
    contents: Sequence[AnyPath] = ()


@dataclass(frozen=True)
class StageFiles:
    """Predictions of a stage, one file per held-out fold. name: for the texts; datasets: what it was trained on."""

    name: str
    datasets: Sequence[str]
    held_out: Sequence[AnyPath]
    cells: bool = False
    """Whether the predictions are for cells, as those of a stage of the kind `cells`."""


@dataclass
class _Reading:
    """Reads files; one that does not exist is left out, and one that cannot be read becomes a finding."""

    dataset: str
    findings: list[Finding] = field(default_factory=list)

    def each(self, read: Callable[[AnyPath], Read], paths: Sequence[AnyPath]) -> list[Read]:
        found = []
        for path in paths:
            if not (is_url(path) or Path(path).is_file()):
                continue
            try:
                found.append(read(path))
            # Whatever is wrong with a result must not fail a run that is over.
            except Exception as error:
                text = " ".join(str(error).split()) or type(error).__name__
                where = "" if str(path) in text else f"{path}: cannot be read: "
                self.findings.append(Finding(self.dataset, "", f"{where}{text}"))
        return found


def find_all(
    datasets: Sequence[DatasetFiles],
    stages: Sequence[StageFiles],
    classes: Sequence[str],
    settings: PlausibilitySettings,
    *,
    tables: Sequence[AnyPath] = (),
) -> list[Finding]:
    """Everything that looks wrong in the results that exist: first about whole data sets, then about fields.

    tables: findings of jobs (CSV `dataset, ID, what`). A file that cannot be read is a finding too. A class is judged
    once all folds of a stage are trained.
    """
    found = [finding for files in datasets for finding in _of_dataset(files, settings)]
    found += _of_jobs(tables) + _in_training_and_elsewhere(datasets)
    found += [finding for files in stages for finding in _of_stage(files, classes, settings)]
    return sorted(dict.fromkeys(found), key=lambda finding: finding.ID != "")


def write_warnings(path: AnyPath, findings: Sequence[Finding]) -> None:
    """Write the table (CSV, `dataset, ID, what`), with its header alone if nothing was found; also to a bucket."""
    if is_url(path):
        with TemporaryDirectory(prefix="puzzlecell-") as folder:
            table = Path(folder, *split(str(path)))
            write_warnings(table, findings)
            upload(table, str(path))
            upload(checksum_path(table), f"{path}.checksum")
        return
    rows = [(finding.dataset, finding.ID, finding.what) for finding in findings]
    write_csv(path, pd.DataFrame(rows, columns=COLUMNS))


def as_text(path: AnyPath, findings: Sequence[Finding]) -> str:
    """What the terminal shows at the end of a run: the findings about whole data sets and the number of the others."""
    if not findings:
        return ""
    whole = [finding for finding in findings if not finding.ID]
    lines = [f"{_number(len(findings), 'warning')}, see {path}"]
    lines += [f"    {_shortened(f'{finding.dataset}: {finding.what}')}" for finding in whole[:SHOWN]]
    if len(whole) > SHOWN:
        lines.append(f"    and {len(whole) - SHOWN} more about whole data sets")
    fields = len(findings) - len(whole)
    if fields:
        lines.append(f"    {_number(fields, 'finding')} about single fields")
    return "\n".join(lines)


def whole_findings(path: AnyPath) -> list[str]:
    """What the table says about whole data sets, without their names; nothing if there is no table.

    Raises the errors of `read_csv`.
    """
    if not Path(path).is_file():
        return []
    table = read_csv(path).fillna("").astype(str)
    return list(table.loc[table["ID"] == "", "what"])


def _of_dataset(files: DatasetFiles, settings: PlausibilitySettings) -> list[Finding]:
    reading = _Reading(files.dataset)
    stored = reading.each(read_stored, files.stores)
    segmented = reading.each(read_cells, files.cells)
    found: list[Finding] = []
    if stored:
        fields = pd.concat(stored)
        # After a change of `shards`, old and new shards may hold the same fields until all are stored again.
        fields = fields[~fields.index.duplicated()]
        summary = summarise(files.dataset, files.pixel_sizes, fields, segmented)
        found += dataset_findings(summary, settings) + field_findings(summary, settings)
    distances = reading.each(read_distances, files.unlike)
    if distances:
        found += unlike_findings(files.dataset, pd.concat(distances), settings)
    for rejected in reading.each(_read_rejected, files.rejected):
        found += [Finding(files.dataset, field_id, f"rejected: {reason}") for field_id, reason in rejected]
    return reading.findings + found


def _of_jobs(tables: Sequence[AnyPath]) -> list[Finding]:
    reading = _Reading("")
    found = reading.each(read_csv, tables)
    return reading.findings + [
        Finding(*row)
        for table in found
        for row in table[COLUMNS].astype(str).itertuples(index=False, name=None)
    ]


def _in_training_and_elsewhere(datasets: Sequence[DatasetFiles]) -> list[Finding]:
    findings: list[Finding] = []
    contents: tuple[dict[str, dict[str, str]], ...] = ({}, {})
    for files in datasets:
        reading = _Reading(files.dataset)
        tables = reading.each(lambda path: read_contents([path]), files.contents)
        trained = files.role in ("train", "additional", "unlabelled")
        contents[not trained][files.dataset] = {
            key: value for table in tables for key, value in table.items()
        }
        findings += reading.findings
    return findings + shared_findings(*contents)


def _read_rejected(path: AnyPath) -> list[tuple[str, str]]:
    table = read_csv(path)
    return list(zip(table["ID"], table["reason"], strict=True))


def _of_stage(files: StageFiles, classes: Sequence[str], settings: PlausibilitySettings) -> list[Finding]:
    reading = _Reading("+".join(files.datasets))
    folds = reading.each(lambda path: read_held_out(path, len(classes)), files.held_out)
    texts = []
    if folds and len(folds) == len(files.held_out):
        texts = class_findings(files.name, folds, classes, settings.at_chance, cells=files.cells)
    return reading.findings + [Finding(reading.dataset, "", text) for text in texts]


def _number(count: int, name: str) -> str:
    return f"{count} {name}{'s' * (count != 1)}"


def _shortened(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 4]} ..."
