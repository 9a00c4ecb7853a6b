"""Time per field and peak memory of step 1, pooling, step 2 and mask encoding, on one core, with random weights.

A stage that was trained on crops of cells costs what step 2 costs. Each row is measured in a process of its own.
Run: OMP_NUM_THREADS=1 python benchmarks/inference.py [--backbone seresnext50_32x4d --size 512 --fields 6 --cells 22]
The default run: --backbone tf_efficientnet_lite0 --size 192 --stride 16 --crop 192 --cells 10 --fields 32
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from step1 import example
from studies.pooled import pooled_scores

from puzzlecell.config.network import NetworkSettings
from puzzlecell.config.steps import Step1Settings, Step2Settings
from puzzlecell.data.rle import encode_cells
from puzzlecell.data.store import write_shard
from puzzlecell.inference.step1 import step1_scores, step1_tables
from puzzlecell.inference.step2 import step2_table
from puzzlecell.network.cam_network import CamNetwork, save_network


def measure(name: str, fields: int, work: Callable[[], object]) -> None:
    """Run `work` and print its CPU seconds per field, which other processes on the machine hardly affect."""
    start, wall = time.process_time(), time.perf_counter()
    work()
    cpu, wall = time.process_time() - start, time.perf_counter() - wall
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:38s} {cpu / fields:8.4f} CPU s per field ({wall / fields:.4f} s), peak memory {peak_mb:.0f} MiB",
        flush=True,
    )


def measured(name: str, fields: int, work: Callable[[], object]) -> None:
    """`measure` in a process of its own, whose peak memory is that of this work."""
    process = multiprocessing.get_context("fork").Process(target=measure, args=(name, fields, work))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{name}: failed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="seresnext50_32x4d")
    for name, default in (("size", 512), ("crop", 384), ("fields", 6), ("cells", 22), ("stride", 32)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    size, count = arguments.size, arguments.fields
    examples = [example(19, arguments.cells, size, seed) for seed in range(count)]
    labels = np.stack([labels for _, _, labels in examples])
    images = np.random.default_rng(0).integers(0, 256, (count, size, size, 4), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        store, masks, model = (Path(folder) / name for name in ("s.h5", "m.h5", "m.safetensors"))
        ids = [f"field{number}" for number in range(count)]
        write_shard(store, ids, {"images": images}, {})
        write_shard(masks, ids, {"cells": labels}, {})
        settings = NetworkSettings(
            backbone=arguments.backbone, pretrained=False, output_stride=arguments.stride
        )
        classes = [str(number) for number in range(19)]
        save_network(model, CamNetwork(settings, classes, size, arguments.crop))
        one, paths = Step1Settings(), (store, masks, [model])
        measured(
            "step 1, maps read (19 classes)", count, lambda: [step1_scores(*e, one, 18) for e in examples]
        )
        measured("step 1, all", count, lambda: step1_tables(*paths, one, negative=18))
        measured("pooled, beyond step 1", count, lambda: [pooled_scores(e[0], e[2]) for e in examples])
        for name, two in (
            ("step 2 or pupil", Step2Settings()),
            ("step 2 or pupil, bf16", Step2Settings(precision="bf16")),
            ("step 2 or pupil, fitted canvases", Step2Settings(canvas="fitted")),
            ("step 2 or pupil, fitted, bf16", Step2Settings(canvas="fitted", precision="bf16")),
            ("step 2 or pupil, enlarged to the crop", Step2Settings(scale="enlarged")),
        ):
            measured(name, count, partial(step2_table, *paths, two))
        measured("mask encoding, 2048 x 2048", count, lambda: [encode_cells(m, 2048, 2048) for m in labels])


if __name__ == "__main__":
    main()
