"""How much each kind of job has to do, in units that its time is proportional to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from puzzlecell.config.network import NetworkSettings
from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.steps import Step1Settings, Step2Settings
from puzzlecell.config.training import TrainingSettings
from puzzlecell.config.view import ViewSettings
from puzzlecell.data.cell_crops import crop_geometry
from puzzlecell.network.subcell_file import SubCellLayout
from puzzlecell.planning.network_cost import network_cost, segmenter_flop, subcell_flop
from puzzlecell.segmentation.hpa_unet import SIDES_DIVIDE_BY

GIGA = 1e9
MEGA = 1e6
BACKWARD = 3
"""A training step computes about three times as much as the forward pass: twice as much again for the gradients."""


@dataclass(frozen=True)
class Work:
    """What one job has to do.

    kind: jobs of one kind share a measured rate, `amount` per second. gflop, network: operations of networks, in 1e9,
    and the row of the package's table with their speed. parts: rows of that table with seconds per unit, and the number
    of units. together: the parts are done by other processes while the network computes (the data loader on a GPU).
    """

    kind: str
    amount: float
    unit: str
    gflop: float = 0.0
    network: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)
    together: bool = False


@dataclass(frozen=True)
class Stage:
    """The networks of a stage: settings, sides of a field and of a training crop in pixels, and number of folds."""

    network: NetworkSettings
    field_size: int
    crop_size: int
    folds: int = 1

    @property
    def key(self) -> NetworkSettings:
        """The settings that the cost of a pass depends on; the initial weights do not count."""
        return NetworkSettings(
            backbone=self.network.backbone,
            pretrained=False,
            output_stride=self.network.output_stride,
            stride_by=self.network.stride_by,
        )

    def gflop(self, size: int) -> float:
        """Operations, in 1e9, of one pass of one network over an image of `size` x `size` pixels."""
        return network_cost(self.key, size).flop / GIGA

    @property
    def feature_bytes(self) -> int:
        """Bytes of the features of one view of a field, as they are kept: two for each number."""
        return 2 * network_cost(self.key, self.field_size).features


def simulation_work(fields: float, size: int) -> Work:
    """Draw `fields` fields of `size` x `size` pixels."""
    megapixels = fields * size**2 / MEGA
    return Work("simulate", megapixels, "Mpx", parts={"simulate field": fields, "simulate Mpx": megapixels})


def ingest_work(fields: float, megapixels: float) -> Work:
    """Read and resize raw fields with `megapixels` million pixels altogether, in four channels."""
    return Work("ingest", megapixels, "Mpx", parts={"ingest field": fields, "ingest Mpx": megapixels})


def segment_work(settings: SegmentationSettings, fields: float, side: int, pixel_um: float) -> Work:
    """Segment fields of `side` x `side` pixels of `pixel_um` micrometres.

    Other segmenters than `classical` and `hpa_dpn` have no rate in the package.
    """
    method, megapixels = settings.method, fields * side**2 / MEGA
    kind = segment_kind(settings)
    if method == "classical":
        used = megapixels * min(1.0, pixel_um / settings.classical.pixel_um) ** 2
        return Work(kind, megapixels, "Mpx", parts={"classical field": fields, "classical Mpx": used})
    if method == "hpa_dpn":
        seen = max(1, round(side * pixel_um / settings.hpa_dpn.pixel_um))
        padded = seen + 2 * SIDES_DIVIDE_BY - seen % SIDES_DIVIDE_BY
        labelled = megapixels if settings.hpa_dpn.label_at == "field" else fields * seen**2 / MEGA
        return Work(
            kind,
            megapixels,
            "Mpx",
            gflop=2 * fields * segmenter_flop(padded, padded) / GIGA,
            network="infer hpa_dpn",
            parts={"hpa labelling Mpx": labelled},
        )
    return Work(kind, megapixels, "Mpx")


def segment_kind(settings: SegmentationSettings) -> str:
    """Kind of the work of segmenting."""
    return f"segment ({settings.method})"


def train_work(
    settings: TrainingSettings, training_fields: float, held_out_fields: float, *, epochs: int | None = None
) -> Work:
    """Train one fold. epochs: of a finished training, which may have stopped early; None for all.

    training_fields: fields of the other folds, from which `samples_per_epoch` are drawn.
    """
    stage = Stage(settings.network, settings.input.field_size, settings.input.crop_size)
    batch, epochs = settings.batch_size, settings.epochs if epochs is None else epochs
    drawn = -(-(settings.samples_per_epoch or training_fields) // batch) * batch
    passes = 2 if settings.puzzle.pieces else 1
    validated = passes if settings.puzzle.validate_tiles else 1
    gflop = epochs * (
        BACKWARD * passes * drawn * stage.gflop(stage.crop_size)
        + validated * held_out_fields * stage.gflop(stage.field_size)
    )
    backbone = settings.network.backbone
    return Work(
        f"train ({backbone}{', puzzle' if settings.puzzle.pieces else ''})",
        gflop,
        "GFLOP",
        gflop=gflop,
        network=f"train {backbone}",
        parts={
            "load Mpx": epochs * (drawn * stage.crop_size**2 + held_out_fields * stage.field_size**2) / MEGA
        },
        together=True,
    )


def features_work(settings: TrainingSettings, fields: float) -> Work:
    """Compute the features of fields in all views, with a frozen backbone."""
    stage = Stage(settings.network, settings.input.field_size, settings.input.crop_size)
    passes, backbone = fields * settings.features.views, settings.network.backbone
    gflop = passes * stage.gflop(stage.field_size)
    parts = {"features MB": passes * stage.feature_bytes / MEGA}
    return Work(f"features ({backbone})", gflop, "GFLOP", gflop, f"infer {backbone}", parts)


def train_head_work(
    settings: TrainingSettings, training_fields: float, held_out_fields: float, *, epochs: int | None = None
) -> Work:
    """Train the classifier of one fold on features, with the arguments of `train_work`."""
    stage = Stage(settings.network, settings.input.field_size, settings.input.crop_size)
    batch, epochs = settings.batch_size, settings.epochs if epochs is None else epochs
    drawn = -(-(settings.samples_per_epoch or training_fields) // batch) * batch
    megabytes = epochs * (drawn + held_out_fields) * stage.feature_bytes / MEGA
    return Work("train_head", megabytes, "MB", parts={"head MB": megabytes})


def train_cells_work(
    settings: TrainingSettings,
    canvas: int,
    training_cells: float,
    held_out_cells: float,
    *,
    epochs: int | None = None,
) -> Work:
    """Train one fold on crops of `canvas` x `canvas` pixels, with numbers of cells in place of those of fields."""
    stage = Stage(settings.network, settings.input.field_size, settings.input.crop_size)
    batch, epochs = settings.batch_size, settings.epochs if epochs is None else epochs
    drawn = -(-(settings.samples_per_epoch or training_cells) // batch) * batch
    gflop = epochs * (BACKWARD * drawn + held_out_cells) * stage.gflop(canvas)
    backbone = settings.network.backbone
    return Work(
        f"train_cells ({backbone})",
        gflop,
        "GFLOP",
        gflop=gflop,
        network=f"train {backbone}",
        parts={"step2 cell": epochs * (drawn + held_out_cells)},
        together=True,
    )


def step1_work(stage: Stage, settings: Step1Settings, fields: float, label_side: int) -> Work:
    """Predict whole fields with all networks of a stage, and read the maps under cells of label images."""
    gflop = fields * stage.folds * settings.tta.passes * stage.gflop(stage.field_size)
    reads = fields * (1 if settings.average == "maps" else stage.folds)
    return _prediction(
        "step1", stage, gflop, {"step1 field": reads, "step1 Mpx": reads * label_side**2 / MEGA}
    )


def unlike_work(stage: Stage, fields: float, store_side: int) -> Work:
    """Describe whole fields of `store_side` pixels and their cells, with one pass of one network of a stage."""
    gflop, megapixels = fields * stage.gflop(stage.field_size), fields * store_side**2 / MEGA
    return _prediction("unlike_training", stage, gflop, {"unlike field": fields, "unlike Mpx": megapixels})


def step2_work(stage: Stage, settings: Step2Settings, cells: float) -> Work:
    """Predict the crop of each cell with all networks of a stage."""
    stride = stage.network.output_stride
    canvas = crop_geometry(settings, stage.field_size, stage.crop_size, output_stride=stride).canvas
    gflop = cells * stage.folds * settings.tta.passes * stage.gflop(canvas)
    return _prediction("step2", stage, gflop, {"step2 cell": cells})


def read_cells_work(layout: SubCellLayout, cells: float) -> Work:
    """Read the crop of each cell with SubCell."""
    gflop = cells * subcell_flop(layout) / GIGA
    return Work("read_cells (subcell)", gflop, "GFLOP", gflop, "infer subcell", {"step2 cell": cells})


def cells_work(name: str, cells: float) -> Work:
    """What is done for each cell after the networks: `ensemble`, `submission` or `score`."""
    return Work(name, cells, "cells", parts={f"{name} cell": cells})


def view_pictures(settings: ViewSettings, classes: int, cells: float, fields: float, shards: int) -> float:
    """Megapixels of the pictures in a shard of the viewer, at most: each class may have as many as are configured."""
    most = settings.pictures
    of_class = most.confident + most.uncertain + most.disagree + most.random
    pictures = min(cells, (classes * of_class + most.sample) / shards)
    of_fields = min(fields, settings.fields / shards)
    return 4 * (pictures * settings.tile**2 + of_fields * settings.field_tile**2) / MEGA


def view_work(cells: float, megapixels: float) -> Work:
    """A shard of the viewer: numbers and outlines of all cells, and pictures."""
    return Work("view", megapixels, "Mpx", parts={"view cell": cells, "view Mpx": megapixels})


def _prediction(step: str, stage: Stage, gflop: float, parts: Mapping[str, float]) -> Work:
    backbone = stage.network.backbone
    return Work(f"{step} ({backbone})", gflop, "GFLOP", gflop, f"infer {backbone}", parts)
