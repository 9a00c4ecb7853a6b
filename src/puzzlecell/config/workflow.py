"""The complete configuration: typed, closed, and validated with all problems in one message.

This module has no heavy imports, because planning a run must be fast.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from puzzlecell.config.base import NO_EFFECT, Section
from puzzlecell.config.bundle import BundleSettings
from puzzlecell.config.calibration import CalibrationSettings
from puzzlecell.config.cams import CamSettings
from puzzlecell.config.cell_stage import Teacher
from puzzlecell.config.cell_stage_checks import seen_problems
from puzzlecell.config.checks import (
    class_problems,
    file_problems,
    reference_problems,
    size_problems,
    training_problems,
)
from puzzlecell.config.class_table import read_classes
from puzzlecell.config.datasets import DatasetSettings, FoldSettings, IngestSettings
from puzzlecell.config.embeddings import EmbeddingSettings, embedding_problems
from puzzlecell.config.ensemble import EnsembleMember, EnsembleSettings
from puzzlecell.config.export import ExportSettings, export_problems
from puzzlecell.config.field_checks import field_problems
from puzzlecell.config.fields import FieldSettings
from puzzlecell.config.grades import GradeSettings
from puzzlecell.config.labels import LabelSettings
from puzzlecell.config.member_choice import MemberChoiceSettings
from puzzlecell.config.messages import readable_problems
from puzzlecell.config.models import ModelSettings, Name, training_layers
from puzzlecell.config.plausibility import PlausibilitySettings
from puzzlecell.config.reader_checks import whole_field_problems
from puzzlecell.config.readers import READ_STAGE
from puzzlecell.config.rounds import with_rounds
from puzzlecell.config.score import ScoreSettings
from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.steps import Step1Settings, Step2Settings
from puzzlecell.config.submission import SubmissionSettings
from puzzlecell.config.training import TrainingSettings, resolved
from puzzlecell.config.unlike import UnlikeSettings
from puzzlecell.config.variability import VariabilitySettings
from puzzlecell.config.view import ViewSettings
from puzzlecell.errors import UserError


class ConfigError(UserError):
    """An invalid configuration; the message lists every problem found."""


class Configuration(Section):
    """All settings of a run; threads, memory and other machine-specific resources belong to rules and profiles."""

    classes: str = Field(
        "config/classes.csv", description="Path of a CSV `index,name` that lists the classes."
    )
    negative: str | None = Field(
        "Negative",
        description="Name of the class of cells that show no localisation pattern. null: there is no such class.",
    )
    seed: int = Field(2020, ge=0, description="Random seed of the simulated data sets.")
    gpu: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="Device of the networks: `auto` uses a CUDA GPU if there is one, `cpu` never, `cuda` fails without "
        "one.",
        json_schema_extra=NO_EFFECT,
    )
    datasets: dict[Name, DatasetSettings] = Field(min_length=1, description="Data sets, by name.")
    ingest: IngestSettings = IngestSettings()
    labels: LabelSettings = LabelSettings()
    folds: FoldSettings = FoldSettings()
    grades: GradeSettings = GradeSettings()
    segmentation: SegmentationSettings = SegmentationSettings()
    training: TrainingSettings = TrainingSettings()
    models: dict[Name, ModelSettings] = Field(min_length=1, description="Models, by name.")
    step1: Step1Settings = Step1Settings()
    step2: Step2Settings = Step2Settings()
    ensemble: EnsembleSettings
    calibration: CalibrationSettings = CalibrationSettings()
    submission: SubmissionSettings = SubmissionSettings()
    fields: FieldSettings = FieldSettings()
    score: ScoreSettings = ScoreSettings()
    member_choice: MemberChoiceSettings = MemberChoiceSettings()
    variability: VariabilitySettings = VariabilitySettings()
    cams: CamSettings = CamSettings()
    plausibility: PlausibilitySettings = PlausibilitySettings()
    unlike_training: UnlikeSettings = UnlikeSettings()
    embeddings: EmbeddingSettings = EmbeddingSettings()
    bundle: BundleSettings = BundleSettings()
    export: ExportSettings = ExportSettings()
    view: ViewSettings = ViewSettings()

    def stage_training(self, model: str, stage: str) -> TrainingSettings:
        """Training settings of a stage: the defaults, overridden by its model, then by the stage itself."""
        return resolved(*training_layers(self.model_dump(exclude_unset=True), model, stage).values())

    def trained_stages(self) -> list[tuple[str, str]]:
        """Names (model, stage) of the stages trained for the ensemble: its members', and what they start or learn
        from.
        """
        found: dict[tuple[str, str], None] = {}

        def add(model: str, stage: str) -> None:
            trained = self.has_stages(model) and self.models[model].stages[stage].checkpoints is None
            if trained and (model, stage) not in found:
                found[model, stage] = None
                for names in self._made_from(model, stage):
                    add(*names)

        for member in self.ensemble.members:
            add(member.model, member.stage)
        return list(found)

    def has_stages(self, model: str) -> bool:
        """Whether a model has stages; if not, it comes from elsewhere and reads cells, or is a table."""
        return bool(self.models[model].stages)

    def _made_from(self, model: str, stage: str) -> list[tuple[str, str]]:
        """Names (model, stage) of the stages that a stage starts and learns from."""
        if not self.has_stages(model):
            return []
        start = self.models[model].stages[stage].start
        teachers = [(str(teacher.model), teacher.stage) for teacher in self.teachers(model, stage)]
        return teachers if start is None else [(model, start), *teachers]

    def teachers(self, model: str, stage: str) -> list[Teacher]:
        """Teachers of a stage, each with its model; none of a stage that learns from labels."""
        return [
            teacher.model_copy(update={"model": teacher.model or model})
            for teacher in self.models[model].stages[stage].learns_from
        ]

    def member_stages(self, *kinds: str) -> list[tuple[str, str]]:
        """Distinct (model, stage) pairs of the ensemble members, of all kinds of stages or of these.

        Members without stages are not among them.
        """
        names = dict.fromkeys((member.model, member.stage) for member in self.ensemble.members)
        return [
            (model, stage)
            for model, stage in names
            if self.has_stages(model) and (not kinds or self.models[model].stages[stage].kind in kinds)
        ]

    def embedded_stages(self) -> list[tuple[str, str]]:
        """Distinct (model, stage) pairs of the ensemble members that have embeddings and whose embeddings are made."""
        wanted = self.embeddings.members
        return [names for names in self.with_embeddings() if wanted is None or ".".join(names) in wanted]

    def with_embeddings(self) -> list[tuple[str, str]]:
        """Distinct (model, stage) pairs of the ensemble members that have embeddings of cells."""
        readers = [model for model in self.members_without_stages() if self.models[model].cells is not None]
        return [*self.member_stages(), *((model, READ_STAGE) for model in readers)]

    def embedding_step(self, model: str, stage: str) -> int:
        """Step that gives a member its embeddings: 2, in which cells are read by themselves, if it has both."""
        return max(
            member.step for member in self.ensemble.members if (member.model, member.stage) == (model, stage)
        )

    def members_without_stages(self) -> list[str]:
        """Names of the models of the ensemble that come from elsewhere, in the order of the members."""
        names = dict.fromkeys(member.model for member in self.ensemble.members)
        return [model for model in names if not self.has_stages(model)]

    @property
    def first_member(self) -> EnsembleMember | None:
        """The first ensemble member of a stage that predicts fields; None if there is none."""
        of_fields, members = self.member_stages("fields"), self.ensemble.members
        return next((member for member in members if (member.model, member.stage) in of_fields), None)

    def seen_sets(self, model: str, stage: str) -> list[str]:
        """Names of the data sets that a stage, or any stage that it starts or learns from, was trained on.

        Of a model from elsewhere: those that are named.
        """
        if not self.has_stages(model):
            return self.models[model].seen or []
        waiting, seen = [(model, stage)], {(model, stage)}
        while waiting:
            more = set(self._made_from(*waiting.pop())) - seen
            waiting += more
            seen |= more
        foreign = {
            name for owner, _ in seen if not self.has_stages(owner) for name in self.models[owner].seen or []
        }
        stages = [self.models[owner].stages[name] for owner, name in seen if self.has_stages(owner)]
        return [
            name
            for name in self.datasets
            if name in foreign or any(name in stage.datasets for stage in stages)
        ]

    def training_sets(self) -> list[str]:
        """Names of the data sets with labels that the trained stages of the ensemble were trained on."""
        stages = [self.models[model].stages[stage] for model, stage in self.trained_stages()]
        return [
            name
            for name, dataset in self.datasets.items()
            if dataset.labelled and any(name in stage.datasets for stage in stages)
        ]

    def held_out_sets(self, model: str, stage: str) -> list[str]:
        """Names of a stage's data sets whose fields have folds, so that some are held out of each of its trainings."""
        if not self.has_stages(model):
            return []
        return [
            name
            for name in self.models[model].stages[stage].datasets
            if self.datasets[name].role in ("train", "additional")
        ]

    def datasets_of(self, *roles: str) -> list[str]:
        """Names of the data sets that have one of these roles, in the order of the configuration."""
        return [name for name, dataset in self.datasets.items() if dataset.role in roles]


def load_configuration(
    values: Mapping[str, Any], root: str | Path = ".", *, files: bool = True, raw_files: bool = True
) -> Configuration:
    """Validate nested `values` (as loaded from YAML) and return the typed configuration.

    root: folder that relative paths of the configuration refer to. files: whether missing files are problems, except
    the class table, which always is one; raw_files: whether those of the data sets are.
    Raises ConfigError listing every problem: unknown keys with the nearest known one, wrong types and ranges,
    undefined data sets, stages, ensemble members and classes, names that occur twice, an unusable class table, and
    missing files.
    """
    problems = []
    configuration = None
    try:
        configuration = Configuration.model_validate(dict(values))
    except ValidationError as error:
        problems += readable_problems(error, Configuration)
    of_training = training_problems(values)
    problems += of_training
    problems += reference_problems(values)
    if configuration is not None:
        problems += class_problems(configuration, Path(root))
        problems += export_problems(configuration.export, configuration.datasets)
        problems += file_problems(configuration, Path(root), raw_files=raw_files) if files else []
        problems += [] if of_training else size_problems(configuration)
        if not problems:
            problems += field_problems(configuration, Path(root), files=files)
            problems += seen_problems(configuration)
            problems += whole_field_problems(configuration)
            problems += embedding_problems(configuration.embeddings, configuration.with_embeddings())
    if configuration is None or problems:
        raise ConfigError(
            "\n".join(["the configuration cannot be used:", *(f"  {p}" for p in dict.fromkeys(problems))])
        )
    ensemble = configuration.ensemble.with_indices(read_classes(Path(root, configuration.classes)))
    return configuration.model_copy(
        update={"ensemble": ensemble, "models": with_rounds(configuration.models)}
    )
