"""The work of each planned job, from the configuration and the sizes of the data sets."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from puzzlecell.config.class_table import read_classes
from puzzlecell.config.datasets import ASSUMED_PIXEL_UM
from puzzlecell.config.frozen_stages import feature_settings
from puzzlecell.config.models import checkpoint_path
from puzzlecell.config.network import NetworkSettings
from puzzlecell.config.steps import TtaSettings
from puzzlecell.config.workflow import Configuration
from puzzlecell.data.cell_crops import crop_geometry
from puzzlecell.errors import UserError
from puzzlecell.network.network_file import read_network_file
from puzzlecell.network.subcell_file import read_subcell_file
from puzzlecell.planning.sizes import DatasetSize
from puzzlecell.planning.work import (
    Stage,
    Work,
    cells_work,
    features_work,
    ingest_work,
    read_cells_work,
    segment_work,
    simulation_work,
    step1_work,
    step2_work,
    train_cells_work,
    train_head_work,
    train_work,
    unlike_work,
    view_pictures,
    view_work,
)
from puzzlecell.runtime.planned_jobs import PlannedJob
from puzzlecell.scoring.ablation import ALL_VIEWS, step1_changes, step2_changes


class JobWork:
    """Work of the jobs of one configuration; calling it with a job returns the parts of its work."""

    def __init__(self, settings: Configuration, sizes: Mapping[str, DatasetSize]):
        self.settings = settings
        self.sizes = sizes
        self.unknown: dict[str, None] = {}
        """Data sets that were asked for and whose size is not known; their jobs have no work."""

    def __call__(self, job: PlannedJob) -> list[Work]:
        """Return the work of a job; none for jobs that only start, and for those of unknown data sets."""
        names = self.datasets(job)
        unknown = [name for name in names if name not in self.sizes]
        self.unknown |= dict.fromkeys(unknown)
        return [] if unknown else self._work(job, names)

    def datasets(self, job: PlannedJob) -> list[str]:
        """Names of the data sets whose fields a job reads."""
        settings, given = self.settings, job.wildcards
        if "ds" in given:
            return [given["ds"]]
        if job.script in ("oof_fold", "oof_step2"):
            return settings.held_out_sets(given["model"], given["stage"])
        if job.script in ("train", "train_cells", "train_head"):
            return settings.models[given["model"]].stages[given["stage"]].datasets
        if job.script == "training_look" and (first := settings.first_member):
            return settings.models[first.model].stages[first.stage].datasets
        if job.script == "holdout_stage":
            return settings.datasets_of("holdout")
        return settings.datasets_of("test") if job.script == "submission" else []

    def fields(self, job: PlannedJob) -> float:
        """Number of fields that a job reads."""
        names = self.datasets(job)
        if "sh" in job.wildcards:
            return self.sizes[names[0]].shards[int(job.wildcards["sh"])]
        return sum(self.sizes[name].fields for name in names)

    def cells(self, job: PlannedJob) -> float:
        """Number of cells in the fields that a job reads."""
        names, total = self.datasets(job), sum(self.sizes[name].fields for name in self.datasets(job))
        mean = sum(self.sizes[name].fields * self.sizes[name].cells for name in names) / max(1, total)
        return self.fields(job) * mean

    @property
    def label_side(self) -> int:
        """Side in pixels of a label image."""
        return self.settings.segmentation.size or self.settings.ingest.size

    def view_megapixels(self, job: PlannedJob) -> float:
        """Megapixels of the pictures that a job makes for the viewer, at most."""
        side = min(self.settings.view.field_tile, self.settings.ingest.size)
        view = self.settings.view.model_copy(update={"field_tile": side})
        shards = self.settings.datasets[job.wildcards["ds"]].shards
        classes = len(read_classes(self.settings.classes))
        return view_pictures(view, classes, self.cells(job), self.fields(job), shards)

    def stage(self, model: str, stage: str, folds: int) -> Stage:
        """Networks of a stage: as configured, or those of its ready weights."""
        ready = self.settings.models[model].stages[stage].checkpoints
        if ready is None:
            training = self.settings.stage_training(model, stage)
            return Stage(training.network, training.input.field_size, training.input.crop_size, folds)
        path = Path(checkpoint_path(ready, 1))
        if not path.is_file():
            raise UserError(f"models.{model}.stages.{stage}.checkpoints: there is no file {path}")
        metadata = read_network_file(path)
        network = NetworkSettings(**metadata["network"])
        return Stage(network, metadata["field_size"], metadata["crop_size"], folds)

    def _work(self, job: PlannedJob, names: Sequence[str]) -> list[Work]:
        settings, folds = self.settings, self.settings.folds.count
        script, fields = job.script, self.fields(job)
        if script == "simulate":
            return [simulation_work(fields, round(self.sizes[names[0]].side))]
        if script == "ingest":
            return [ingest_work(fields, fields * self.sizes[names[0]].megapixels)]
        if script == "segment":
            side, size = self.label_side, self.sizes[names[0]]
            pixel_um = settings.datasets[names[0]].pixel_size_um or ASSUMED_PIXEL_UM
            seen = round(size.side) if settings.segmentation.source == "raw" else side
            return [segment_work(settings.segmentation, fields, seen, pixel_um * size.side / seen)]
        if script in ("ensemble", "submission", "score"):
            return [cells_work(script, self.cells(job))]
        if script == "view_shard":
            return [view_work(self.cells(job), self.view_megapixels(job))]
        if script == "train":
            training = settings.stage_training(job.wildcards["model"], job.wildcards["stage"])
            return [train_work(training, fields * (folds - 1) / folds, fields / folds)]
        if script == "features":
            return [
                features_work(
                    feature_settings(settings, job.wildcards["model"], job.wildcards["stage"]), fields
                )
            ]
        if script == "train_head":
            training = settings.stage_training(job.wildcards["model"], job.wildcards["stage"])
            return [train_head_work(training, fields * (folds - 1) / folds, fields / folds)]
        if script == "train_cells":
            training = settings.stage_training(job.wildcards["model"], job.wildcards["stage"])
            sides, cells = training.input, self.cells(job)
            canvas = crop_geometry(
                settings.step2,
                sides.field_size,
                sides.crop_size,
                output_stride=training.network.output_stride,
            ).canvas
            return [train_cells_work(training, canvas, cells * (folds - 1) / folds, cells / folds)]
        if script in ("read_cells", "embed_read_cells"):
            return [self._read_cells(job)]
        if script == "ablation":
            return self._ablation(job)
        if script == "embed_cells":
            return [self._embed(job)]
        if script == "cams":
            return [
                step1_work(
                    self.stage(member.model, member.stage, folds), settings.step1, fields, self.label_side
                )
                for member in settings.ensemble.members
                if member.step == 1
            ]
        if script in ("training_look", "unlike_training") and (first := settings.first_member):
            held_out = min(fields / folds, settings.unlike_training.max_fields)
            described = held_out if script == "training_look" else fields
            return [unlike_work(self.stage(first.model, first.stage, 1), described, settings.ingest.size)]
        if script not in ("step1", "step2", "oof_fold", "oof_step2", "holdout_stage"):
            return []
        of_fold = script in ("oof_fold", "oof_step2")
        stage = self.stage(job.wildcards["model"], job.wildcards["stage"], 1 if of_fold else folds)
        if script == "oof_step2":
            return [step2_work(stage, settings.step2, self.cells(job) / folds)]
        if script == "step2":
            return [step2_work(stage, settings.step2, self.cells(job))]
        return [step1_work(stage, settings.step1, fields / folds if of_fold else fields, self.label_side)]

    def _read_cells(self, job: PlannedJob) -> Work:
        """Every cell with the network that the configuration names for the model."""
        model = job.wildcards["model"]
        given = self.settings.models[model].cells
        path = Path(given.weights if given is not None else "")
        if not path.is_file():
            raise UserError(f"models.{model}.cells.weights: there is no file {path}")
        return read_cells_work(read_subcell_file(path), self.cells(job))

    def _embed(self, job: PlannedJob) -> Work:
        """Read the cells of a shard once, with one network and without further views."""
        names = job.wildcards["model"], job.wildcards["stage"]
        stage, plain = self.stage(*names, 1), {"tta": TtaSettings()}
        if self.settings.embedding_step(*names) == 2:
            return step2_work(stage, self.settings.step2.model_copy(update=plain), self.cells(job))
        step1 = self.settings.step1.model_copy(update=plain)
        return step1_work(stage, step1, self.fields(job), self.label_side)

    def _ablation(self, job: PlannedJob) -> list[Work]:
        """Every variant of both steps with every stage of the ensemble, as in `scoring.ablation`."""
        plain = {"tta": TtaSettings()}
        one = self.settings.step1.model_copy(update=plain)
        two = self.settings.step2.model_copy(update=plain)
        views = {"tta": ALL_VIEWS}
        ones = [one, one.model_copy(update=views), *step1_changes(one).values()]
        twos = [two, two.model_copy(update=views), *step2_changes(two).values()]
        of_fields, all_stages = (
            [self.stage(*names, self.settings.folds.count) for names in self.settings.member_stages(*kinds)]
            for kinds in (["fields"], [])
        )
        return [
            *(
                step1_work(stage, step, self.fields(job), self.label_side)
                for stage in of_fields
                for step in ones
            ),
            *(step2_work(stage, step, self.cells(job)) for stage in all_stages for step in twos),
        ]
