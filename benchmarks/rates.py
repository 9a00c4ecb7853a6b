"""The table of measured rates of `puzzlecell plan`, first part: all that is not a network, on one core.

Prints rows of `src/puzzlecell/planning/measured_rates.py`: what a job costs to start, seconds per field, megapixel or
cell, and bytes. A time per field and one per megapixel come from two sizes. The network has random weights, so every
class is considered in every field, which is the most that step 1, the ensemble and the score can cost.
Run: OMP_NUM_THREADS=1 python benchmarks/rates.py
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import h5py
import numpy as np
import pandas as pd
import torch
from labelling import probabilities
from loader import example_fields
from step1 import example
from threadpoolctl import threadpool_limits

from puzzlecell.config.augmentation import REFERENCE
from puzzlecell.config.class_table import read_classes
from puzzlecell.config.datasets import IngestSettings
from puzzlecell.config.ensemble import EnsembleMember, EnsembleSettings
from puzzlecell.config.labelling import LabellingSettings
from puzzlecell.config.network import FeatureSettings, InputSettings, NetworkSettings
from puzzlecell.config.plausibility import PlausibilitySettings
from puzzlecell.config.score import ScoreSettings
from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.config.steps import Step1Settings, Step2Settings
from puzzlecell.config.submission import SubmissionSettings
from puzzlecell.config.training import PuzzleSettings, TrainingSettings
from puzzlecell.config.view import ViewSettings
from puzzlecell.data.cell_crops import crop_geometry, cut_cells, pool_under
from puzzlecell.data.feature_maps import view_name
from puzzlecell.data.field_sources import RawDataset
from puzzlecell.data.ingest import ingest_shard
from puzzlecell.data.labels import read_ids
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.data.tables import read_parquet
from puzzlecell.domain_shift.features import cell_levels, describe, levels, pooled
from puzzlecell.domain_shift.look_file import write_look
from puzzlecell.domain_shift.run import fit_look, write_distances
from puzzlecell.ensemble.answer import write_answer
from puzzlecell.ensemble.submission import write_dataset_submission
from puzzlecell.inference.features import write_features
from puzzlecell.inference.out_of_fold import write_oof
from puzzlecell.inference.step1 import step1_scores, step1_shard
from puzzlecell.inference.step2 import step2_shard
from puzzlecell.network.cam_network import CamNetwork, save_network
from puzzlecell.network.network_file import network_digest
from puzzlecell.runtime.progress import no_progress
from puzzlecell.scoring.report import write_score
from puzzlecell.segmentation.hpa_labelling import label_cells
from puzzlecell.segmentation.shard import segment_shard
from puzzlecell.simulate.dataset import simulate_dataset
from puzzlecell.simulate.field import simulate_field
from puzzlecell.training.augment import Augmenter
from puzzlecell.training.dataloaders import TrainingFields
from puzzlecell.training.run import TrainingRun
from puzzlecell.training.samples import collate
from puzzlecell.training.train import train
from puzzlecell.viewer.cells import EnsembleRules, ShardFiles
from puzzlecell.viewer.shard import ShardFacts, ShardView
from puzzlecell.viewer.write_shard import sheets

ROOT = Path(__file__).parents[1]
CLASSES = read_classes(ROOT / "config/classes.csv")


def cpu_seconds(work: Callable[[], object]) -> float:
    """Processor time of a call in this process."""
    started = time.process_time()
    work()
    return time.process_time() - started


def report(name: str, value: float, unit: str) -> None:
    print(f'    "{name}": {value:.4g},  # {unit}', flush=True)


def report_line(name: str, times: dict[float, float]) -> None:
    """Seconds per field and per megapixel from the seconds of a field of two sizes (megapixels -> seconds)."""
    (small, low), (large, high) = sorted(times.items())
    slope = (high - low) / (large - small)
    report(f"{name} field", max(0.0, low - slope * small), "s")
    report(f"{name} Mpx", slope, "s")


def starts() -> None:
    """Processor time of a job that does nothing: Python and the imports of its script."""
    for script in sorted((ROOT / "workflow/scripts").glob("*.py")):
        code = f"import runpy; runpy.run_path({str(script)!r}, run_name='imported')"
        process = subprocess.Popen([sys.executable, "-c", code])
        _, _, usage = os.wait4(process.pid, 0)
        report(f"start {script.stem}", usage.ru_utime + usage.ru_stime, "s")


def raw_fields(folder: Path) -> None:
    """Simulation and ingest, of 16-bit fields."""
    simulated, stored = {}, {}
    for size, fields in ((256, 40), (2048, 2)):
        images, settings = folder / f"raw{size}", SimulationSettings(fields=fields, size=size)
        simulate = partial(simulate_dataset, images, settings, 1, labelled=True)
        simulated[size**2 / 1e6] = cpu_seconds(simulate) / fields
        ids = read_ids(images / "labels.csv")["ID"].tolist()
        paths = folder / f"{size}.h5", folder / f"{size}.csv"
        ingest = partial(ingest_shard, *paths, images / "images", ids, IngestSettings(size=min(512, size)))
        stored[size**2 / 1e6] = cpu_seconds(ingest) / fields
    report_line("simulate", simulated)
    report_line("ingest", stored)


def rates_of_the_viewer(files: ShardFiles, ensemble: EnsembleSettings) -> None:
    """Numbers and outlines per cell, and pictures per megapixel."""
    rules = EnsembleRules(ensemble, CLASSES, 18)

    def view() -> ShardView:
        return ShardView(files, rules, ViewSettings(field_tile=256), ShardFacts(1, every=True))

    def numbers() -> None:
        made = view()
        made.cells_chunk(), made.details_chunk(), made.shapes_chunk()

    def pictures() -> None:
        for _ in sheets(made):
            pass

    made = view()
    report("view cell", cpu_seconds(numbers) / len(made.cells), "s")
    report("view Mpx", cpu_seconds(pictures) / (len(made.cells) * 4 * 96**2 / 1e6), "s")


def cell_tables(folder: Path) -> None:
    """Segmentation, and what follows the networks: ensemble, submission and score."""
    seconds = {}
    for size, pixel_um, fields in ((512, 0.32, 20), (256, 0.64, 60)):
        images, name = folder / f"s{size}", str(size)
        settings = SimulationSettings(fields=fields, size=size)
        simulate_dataset(images, settings, 2, labelled=True, classes=CLASSES)
        ids = read_ids(images / "labels.csv")["ID"].tolist()
        store, masks, table, overlay = (
            folder / f"{name}.{end}" for end in ("store.h5", "masks.h5", "parquet", "overlay.png")
        )
        ingest_shard(store, folder / "rejected.csv", images / "images", ids, IngestSettings(size=size))
        segmentation = SegmentationSettings()
        segment = partial(
            segment_shard, store, masks, table, segmentation, PixelSizes(pixel_um), overlay_path=overlay
        )
        seconds[size**2 / 1e6] = cpu_seconds(segment) / fields
    report_line("classical", seconds)
    model, one, fields_table, two = (
        folder / name for name in ("model.safetensors", "one.parquet", "one.images.parquet", "two.parquet")
    )
    network = NetworkSettings(backbone="tf_efficientnet_lite0", pretrained=False, output_stride=16)
    save_network(model, CamNetwork(network, CLASSES, 192, 192))
    step1_shard(
        one, fields_table, store=store, masks=masks, models=[model], settings=Step1Settings(), negative=18
    )
    step2_shard(two, store=store, masks=masks, models=[model], settings=Step2Settings())
    members = tuple(EnsembleMember(model="a", stage="b", step=step) for step in (1, 2))
    ensemble, cells = EnsembleSettings(members=members).with_indices(CLASSES), len(read_parquet(table))
    answer, submission = folder / "answer.parquet", folder / "submission.csv"
    tables: dict[str, list] = {"member_tables": [one, two], "image_tables": [fields_table]}
    work: dict[str, Callable[[], object]] = {
        "ensemble": lambda: write_answer(
            answer, cell_tables=[table], settings=ensemble, negative=18, **tables
        ),
        "submission": lambda: write_dataset_submission(
            submission,
            datasets=[RawDataset(images / "images", images / "labels.csv", labelled=False)],
            cells=[answer],
            masks=[masks],
            store=[store],
            settings=SubmissionSettings(),
        ),
        "score": lambda: write_score(
            folder / "score.csv",
            folder / "classes.csv",
            folder / "score.png",
            truth=images / "truth.csv",
            masks=[masks],
            answer=answer,
            members=members,
            classes=ROOT / "config/classes.csv",
            settings=ScoreSettings(),
            **tables,
        ),
    }
    for name, call in work.items():
        report(f"{name} cell", cpu_seconds(call) / cells, "s")
    rates_of_the_viewer(ShardFiles(store, masks, table, [one, two], [fields_table]), ensemble)
    write_oof(
        folder / "oof.csv",
        store,
        masks,
        [table],
        [model],
        settings=Step1Settings(),
        negative=18,
        images_csv=folder / "oof.images.csv",
    )
    look, distances = (
        folder / "look.safetensors",
        [folder / "unlike.parquet", folder / "unlike.images.parquet"],
    )
    described = describe(store, masks, [table], model)
    write_look(look, fit_look(*described, described[0].keys["ID"].tolist(), network_digest(model), 0.99))
    write_distances(
        *distances,
        dataset="rates",
        store=store,
        masks=masks,
        cell_table=table,
        model=model,
        look=look,
        plausibility=PlausibilitySettings(),
    )
    report("unlike table", sum(path.stat().st_size for path in distances) / cells, "bytes per cell")
    file_sizes(folder, cells)


def file_sizes(folder: Path, cells: int) -> None:
    """Bytes of the files of simulated fields: 512 pixels, with a segmentation; cells of the smaller ones."""
    with h5py.File(folder / "512.store.h5") as store:
        fields, size = store["images"].shape[:2]
    pixels = fields * size**2
    raw = sum(path.stat().st_size for path in (folder / "s512/images").iterdir())
    report("simulated", raw / pixels, "bytes per pixel of a field")
    for name in ("store", "masks"):
        report(name, (folder / f"512.{name}.h5").stat().st_size / pixels, "bytes per pixel of a field")
    report("overlay", (folder / "512.overlay.png").stat().st_size, "bytes per shard")
    for name, file in (
        ("cell table", "256.parquet"),
        ("step table", "one.parquet"),
        ("oof table", "oof.csv"),
        ("answer", "answer.parquet"),
        ("submission", "submission.csv"),
    ):
        report(name, (folder / file).stat().st_size / cells, "bytes per cell")


def score_all(fields: list[tuple]) -> None:
    """Step 1 of fields whose maps have been predicted."""
    for one in fields:
        step1_scores(*one, Step1Settings(), 18)


def describe_all(fields: list[tuple], side: int) -> None:
    """What is done with the features of a network for the distance from the training fields."""
    random = np.random.default_rng(0)
    features = random.random((1280, 16, 16), np.float32)
    image = random.integers(0, 256, (side, side, 4), np.uint8)
    for _, _, labels in fields:
        pooled(features, labels)
        levels(image)
        cell_levels(image, labels)


def around_networks(folder: Path) -> None:
    """What step 1, step 2 and the loader do besides the networks."""
    seconds, described = {}, {}
    for size in (256, 512):
        given = [example(len(CLASSES), 22, size, seed) for seed in range(6)]
        seconds[size**2 / 1e6] = cpu_seconds(partial(score_all, given)) / len(given)
        described[size**2 / 1e6] = cpu_seconds(partial(describe_all, given, size)) / len(given)
    report_line("step1", seconds)
    report_line("unlike", described)
    geometry = crop_geometry(Step2Settings(), 512, 384)
    image = np.random.default_rng(0).integers(0, 256, (512, 512, 4), np.uint8)
    maps = np.zeros((22, len(CLASSES), 8, 8), np.float32)
    shares = cut_cells(image, given[0][2], geometry)[1]
    cut = cpu_seconds(lambda: [cut_cells(image, labels, geometry) for _, _, labels in given])
    pools = cpu_seconds(lambda: [pool_under(maps[: len(shares)], shares) for _ in given])
    report("step2 cell", (cut + pools) / len(given) / len(shares), "s")
    simulated = simulate_field("rates", 0, SimulationSettings(size=1024, cells=(22, 22)), seed=1)
    inputs = probabilities(simulated.cells, simulated.nuclei, 512, 0)
    labelled = min(cpu_seconds(lambda: label_cells(*inputs, 0.32, LabellingSettings())) for _ in range(3))
    report("hpa labelling Mpx", labelled / (512**2 / 1e6), "s")
    images = example_fields(None, None, 48)
    ids = [f"field{number}" for number in range(len(images))]
    write_shard(folder / "loader.h5", ids, {"images": np.stack(images)}, {})
    fields = TrainingFields(
        ShardReader([folder / "loader.h5"]),
        ids,
        np.zeros((len(ids), 19)),
        512,
        Augmenter(REFERENCE, 384, seed=1),
    )
    loaded = min(cpu_seconds(lambda: collate([fields[(0, n, n)] for n in range(len(ids))])) for _ in range(4))
    report("load Mpx", loaded / len(ids) / (384**2 / 1e6), "s per megapixel of a crop")


def kept_features(folder: Path) -> None:
    """Writing features, and training a classifier on them, for each megabyte of features that is written or read."""
    settings = TrainingSettings(
        network=NetworkSettings(
            backbone="tf_efficientnet_lite0", pretrained=False, output_stride=16, frozen=True
        ),
        input=InputSettings(field_size=192, crop_size=192),
        puzzle=PuzzleSettings(pieces=0),
        features=FeatureSettings(flip=False),
        augmentation="none",
        batch_size=16,
    )
    images = example_fields(None, None, 96)
    ids = [f"field{number}" for number in range(len(images))]
    store, kept = folder / "fields.h5", folder / "features.h5"
    write_shard(store, ids, {"images": np.stack(images)}, {})
    write_features(kept, store, settings)
    reader = ShardReader([kept])
    maps = np.stack([reader.read(name, view_name(0)) for name in ids])
    size = maps.nbytes / 1e6
    written = cpu_seconds(lambda: write_shard(folder / "copy.h5", ids, {view_name(0): maps}, {}))
    report("features MB", written / size, "s")
    labels = np.random.default_rng(0).integers(0, 2, (len(ids), len(CLASSES)))
    table = pd.DataFrame(labels, columns=CLASSES)
    table.insert(0, "ID", ids)
    table["fold"] = np.arange(len(ids)) % 2 + 1
    used = []
    for epochs in (1, 21):
        longer = settings.model_copy(update={"epochs": epochs})
        run = TrainingRun(longer, CLASSES, [kept], table, 1, folder / f"epochs{epochs}", "rates")
        used.append(cpu_seconds(partial(train, run, no_progress)))
    report("head MB", (used[1] - used[0]) / (20 * size), "s")


def main() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with threadpool_limits(1), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        starts()
        raw_fields(folder)
        cell_tables(folder)
        around_networks(folder)
        kept_features(folder)


if __name__ == "__main__":
    main()
