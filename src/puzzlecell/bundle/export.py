"""Write a bundle from the results of a run."""

import os
import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from puzzlecell.bundle.archive import write_archive
from puzzlecell.bundle.card import card
from puzzlecell.bundle.facts import image_facts, member_facts, score_facts, training_facts
from puzzlecell.bundle.manifest import NAME, Listed, file_sha256, manifest_text, read_folder
from puzzlecell.bundle.settings import (
    CARRIED,
    CLASSES,
    LICENCE,
    README,
    carried_settings,
    member_stages,
    segmenter_files,
    weight_sources,
)
from puzzlecell.config.class_table import read_classes
from puzzlecell.config.workflow import Configuration
from puzzlecell.data.field_sources import RawDataset
from puzzlecell.errors import UserError
from puzzlecell.regular_file import file_problem
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.checksums import check_text, checksum_path
from puzzlecell.runtime.progress import Progress, no_progress

AnyPath = str | os.PathLike
VERSIONS = ("puzzlecell", "torch", "timm", "numpy", "scikit-image", "opencv-python-headless")


@dataclass(frozen=True)
class RunFiles:
    """Results of a run that go into its bundle, or that its README is made from.

    weights: fold by fold for each stage of the ensemble in turn. stores: first shard of each training data set, and
    labels: its label table, and raw: where its images are, by name. held_out: `oof.csv` of each fold of the trained
    stages of the ensemble, by (model, stage). scores: `results/score/<ds>.csv` by data set. carried: further files by
    their name in the bundle, which must be among `CARRIED`.
    """

    weights: Sequence[AnyPath]
    stores: Mapping[str, AnyPath] = field(default_factory=dict)
    labels: Mapping[str, AnyPath] = field(default_factory=dict)
    held_out: Mapping[tuple[str, str], Sequence[AnyPath]] = field(default_factory=dict)
    raw: Mapping[str, RawDataset] = field(default_factory=dict)
    scores: Mapping[str, AnyPath] = field(default_factory=dict)
    carried: Mapping[str, AnyPath] = field(default_factory=dict)

    def missing(self) -> list[AnyPath]:
        """Files that are not there."""
        tables = [*self.stores.values(), *self.labels.values(), *self.scores.values(), *self.carried.values()]
        held_out = [path for paths in self.held_out.values() for path in paths]
        return [path for path in [*self.weights, *tables, *held_out] if not Path(path).is_file()]


def export_bundle(
    output: AnyPath, settings: Configuration, files: RunFiles, progress: Progress = no_progress
) -> dict[str, Any]:
    """Write a bundle and return its manifest: a zip if `output` ends in `.zip`, else a folder, which is replaced.

    The same results give the same bytes. Raises UserError for files that are missing or damaged, and for weights of a
    segmenter that are no safetensors.
    """
    output = Path(output)
    zipped = output.suffix.lower() == ".zip"
    classes = read_classes(settings.classes)
    sources = _sources(settings, files)
    for name, path in files.carried.items():
        if name not in CARRIED:
            raise UserError(f"{path}: a bundle carries no file {name}; it may carry {', '.join(CARRIED)}")
        if checksum_path(path).exists():
            check_text(path)
    stages = member_stages(settings)
    folds = settings.folds.count
    by_stage = {
        stage: files.weights[number * folds : (number + 1) * folds] for number, stage in enumerate(stages)
    }
    facts: dict[str, Any] = {
        "name": settings.bundle.name,
        "description": settings.bundle.description,
        "licence": settings.bundle.licence is not None,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
        "classes": classes,
        "negative": settings.negative,
        "images": image_facts(settings, files.stores, files.raw),
        "folds": folds,
        "members": member_facts(settings, by_stage),
        "settings": carried_settings(settings, classes),
        "carried": {name: list(CARRIED[name]) for name in files.carried},
        "training": training_facts(settings, classes, files.labels, files.held_out),
        "scores": score_facts(files.scores),
    }
    if output.is_dir() and any(output.iterdir()) and (zipped or not (output / NAME).is_file()):
        raise UserError(f"{output}: is a folder with other files in it; choose another output, or remove it")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.stem}.", suffix=".partial", dir=output.parent) as made:
        folder = Path(made, "bundle")
        _write_files(folder, sources, facts, progress)
        read_folder(folder)
        if zipped:
            with written_whole(output) as temporary:
                names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
                write_archive(temporary, folder, names)
        else:
            if output.exists():
                shutil.rmtree(output)
            folder.replace(output)
    return facts


def run_files(job: Any) -> RunFiles:
    """Files of a job of the rule `export_bundle`, from the object that Snakemake provides to its script."""
    given, names, folds = job.input, job.params, job.params.settings.folds.count
    held_out = [given.held_out[start : start + folds] for start in range(0, len(given.held_out), folds)]
    return RunFiles(
        weights=list(given.weights),
        stores=dict(zip(names.training_sets, given.stores, strict=True)),
        labels=dict(zip(names.training_sets, names.labels, strict=True)),
        raw=dict(zip(names.training_sets, names.raw.value, strict=True)),
        held_out=dict(zip(map(tuple, names.trained), held_out, strict=True)),
        scores=dict(zip(names.scored, given.scores, strict=True)),
        carried=dict(zip(names.carried, given.carried, strict=True)),
    )


def _sources(settings: Configuration, files: RunFiles) -> dict[str, AnyPath]:
    """Files that are copied, by their path in the bundle."""
    sources: dict[str, AnyPath] = {**weight_sources(settings, files.weights), **files.carried}
    for name, path in segmenter_files(settings).values():
        sources[name] = path
        checksum = Path(f"{path}.sha256")
        if checksum.is_file():
            sources[f"{name}.sha256"] = checksum
    sources[CLASSES] = settings.classes
    if settings.bundle.licence is not None:
        sources[LICENCE] = settings.bundle.licence
    problems = [f"{path}: {problem}" for path in sources.values() if (problem := file_problem(path))]
    if problems:
        raise UserError("\n".join(problems))
    return sources


def _write_files(
    folder: Path, sources: Mapping[str, AnyPath], facts: Mapping[str, Any], progress: Progress
) -> None:
    listed = {}
    for number, (name, source) in enumerate(sources.items(), start=1):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        listed[name] = Listed(target.stat().st_size, file_sha256(target))
        progress(number, len(sources), name)
    (folder / README).write_text(card(facts), encoding="utf-8")
    listed[README] = Listed((folder / README).stat().st_size, file_sha256(folder / README))
    (folder / NAME).write_text(manifest_text(facts, listed), encoding="utf-8")
