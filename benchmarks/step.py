"""A siamese training step: a plain implementation of the published loop against ours.

Plain: eager, contiguous float32 input normalised beforehand; on a GPU, fp16 autocast with a gradient scaler. Ours:
uint8 input, channels-last memory format, precision `auto`; on a CPU, freed memory is kept. They run alternately, each
in its own process. With --loader (the default on a GPU), data loading is part of the step, and the rate of each loader
without training is shown as well. On a GPU, the peak memory and the fraction of the throughput of a large bf16 matrix
product are also shown.
Run: python benchmarks/step.py [--backbone seresnext50_32x4d --crop 384 --batch 8 --steps 3 --rounds 2 --threads 1]
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import cv2
import h5py
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from loader import PlainLoader, example_fields
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from puzzlecell.config.augmentation import REFERENCE
from puzzlecell.config.network import InputSettings, NetworkSettings
from puzzlecell.config.training import LossSettings
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.network.cam_network import CamNetwork, build_network
from puzzlecell.network.pretrained import MEAN, STD
from puzzlecell.network.puzzle import PuzzleNetwork
from puzzlecell.runtime.malloc import keep_freed_memory
from puzzlecell.training.augment import Augmenter
from puzzlecell.training.dataloaders import TrainingFields, start_worker
from puzzlecell.training.losses import ComboLoss
from puzzlecell.training.sampler import EpochBatches
from puzzlecell.training.samples import collate

CLASSES = [f"class {number}" for number in range(19)]
FIELDS = 96
MATRIX = 8192


class PlainSiamese(nn.Module):
    """The published module: the field and its 2 x 2 tiles pass through the same backbone and classifier."""

    def __init__(self, network: CamNetwork):
        super().__init__()
        self.backbone, self.classifier = network.backbone, network.classifier

    def once(self, images: Tensor) -> Tensor:
        """Maps of normalised images."""
        return self.classifier(self.backbone.forward_features(images))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Maps of the field, and the merged maps of its tiles."""
        batch, _, height, width = images.shape
        maps = self.once(images)
        tiles = []
        for row in torch.split(images, height // 2, dim=2):
            tiles += list(torch.split(row, width // 2, dim=3))
        pieces = torch.split(self.once(torch.cat(tiles, dim=0)), batch)
        merged = torch.cat(
            [torch.cat(pieces[:2], dim=3), torch.cat(pieces[2:], dim=3)],
            dim=2,
        )
        return maps, merged


Step = Callable[[Tensor], None]


def plain_step(network: CamNetwork, labels: Tensor, device: torch.device) -> Step:
    """Return a step of the published loop on normalised images (B, 4, H, W) float32."""
    siamese = PlainSiamese(network).to(device).train()
    optimiser = torch.optim.Adam(siamese.parameters(), lr=3e-4)
    scaler = torch.amp.GradScaler(enabled=device.type == "cuda")

    def step(batch: Tensor) -> None:
        data, target = batch.to(device), labels.to(device)
        optimiser.zero_grad()
        with torch.autocast("cuda", torch.float16) if device.type == "cuda" else nullcontext():
            maps, merged = siamese(data)
            loss = F.binary_cross_entropy_with_logits(maps.mean((2, 3)), target)
            loss = loss + F.binary_cross_entropy_with_logits(merged.mean((2, 3)), target)
            loss = loss + 0.5 * (maps - merged).abs().mean()
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()

    return step


def our_step(network: CamNetwork, labels: Tensor, device: torch.device) -> Step:
    """Return a step as in `puzzlecell.training`, on images (B, H, W, 4) uint8."""
    puzzle = PuzzleNetwork(network.to(memory_format=torch.channels_last), 2).to(device).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-4)
    combo = ComboLoss(LossSettings())
    if device.type == "cpu":
        keep_freed_memory()
    else:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True

    def step(batch: Tensor) -> None:
        data = batch.to(device, non_blocking=True).permute(0, 3, 1, 2)
        target = labels.to(device, non_blocking=True)
        with torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext():
            output = puzzle(data)
        combo(output, target).total.mean().backward()
        optimiser.step()
        optimiser.zero_grad()

    return step


class PlainFields(Dataset):
    """The published dataset, indexed by row."""

    def __init__(self, path: Path, crop: int, ids: list[str]):
        self.loader, self.ids = PlainLoader(path, crop), ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> np.ndarray:
        return self.loader.field(self.ids[row])


def plain_batches(folder: Path, given: argparse.Namespace) -> Iterator[Tensor]:
    """Yield batches of the published pipeline endlessly."""
    ids = [f"field{number}" for number in range(FIELDS)]
    with h5py.File(folder / "plain.h5", "w") as file:
        for field_id, image in zip(ids, example_fields(None, None, FIELDS), strict=True):
            file.create_dataset(field_id, data=image.astype(np.float32) / 255)
    fields = PlainFields(folder / "plain.h5", given.crop, ids)
    loader = DataLoader(
        fields,
        given.batch,
        shuffle=True,
        num_workers=given.workers,
        drop_last=True,
        pin_memory=torch.cuda.is_available(),
    )
    return itertools.chain.from_iterable(loader for _ in itertools.count())


def our_batches(folder: Path, given: argparse.Namespace) -> Iterator[Tensor]:
    """Yield batches of our store endlessly."""
    ids = [f"field{number}" for number in range(FIELDS)]
    sides = np.full(FIELDS, 2048)
    images = np.stack(example_fields(None, None, FIELDS))
    write_shard(folder / "store.h5", ids, {"images": images, "height": sides, "width": sides}, {})
    augmenter = Augmenter(REFERENCE, given.crop, seed=1)
    fields = TrainingFields(ShardReader([folder / "store.h5"]), ids, np.zeros((FIELDS, 19)), 512, augmenter)
    loader = DataLoader(
        fields,
        batch_sampler=EpochBatches(FIELDS, None, FIELDS, given.batch, seed=1),
        num_workers=given.workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=given.workers > 0,
        worker_init_fn=start_worker,
    )
    return (batch.images for batch in itertools.chain.from_iterable(loader for _ in itertools.count()))


def fixed_batch(kind: str, given: argparse.Namespace) -> Iterator[Tensor]:
    """Yield the same random batch endlessly, in the format of the loader."""
    shape = (given.batch, given.crop, given.crop, 4)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    if kind == "plain":
        images = ((images / 255.0 - np.array(MEAN)) / np.array(STD)).transpose(0, 3, 1, 2).astype("float32")
    return itertools.repeat(torch.from_numpy(images))


def measure(kind: str, given: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Measure one kind, `plain` or `ours`, in this process: seconds per step and the other figures."""
    torch.set_num_threads(given.threads)
    cv2.setNumThreads(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    settings = NetworkSettings(backbone=given.backbone, pretrained=False)
    network = build_network(settings, InputSettings(crop_size=given.crop), CLASSES)
    labels = (torch.rand(given.batch, len(CLASSES)) < 0.1).float()
    step = {"plain": plain_step, "ours": our_step}[kind](network, labels, device)
    found: dict[str, float] = {}
    if given.loader:
        batches = {"plain": plain_batches, "ours": our_batches}[kind](folder, given)
        alone = timed(lambda: next(batches), given.steps, device)
        found["loader"] = given.batch / alone["wall"]
    else:
        batches = fixed_batch(kind, given)
    if device.type == "cuda":
        with FlopCounterMode(display=False) as counter:
            step(next(batches))
        found["flops"] = counter.get_total_flops()
        torch.cuda.reset_peak_memory_stats(device)
    found |= timed(lambda: step(next(batches)), given.steps, device)
    if device.type == "cuda":
        found["memory"] = torch.cuda.max_memory_allocated(device) / 2**30
        found["peak"] = matrix_rate(device)
    return found


def timed(work: Callable[[], object], steps: int, device: torch.device) -> dict[str, float]:
    """Wall and CPU seconds per step, after two warm-up steps that allocate memory and select kernels."""
    for _ in range(2):
        work()
    finish(device)
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(steps):
        work()
    finish(device)
    return {
        "wall": (time.perf_counter() - wall) / steps,
        "processor": (time.process_time() - processor) / steps,
    }


def finish(device: torch.device) -> None:
    """Wait until the GPU has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_rate(device: torch.device) -> float:
    """Operations per second of a large bf16 matrix product."""
    left, right = (torch.randn(MATRIX, MATRIX, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * MATRIX**3 / timed(lambda: left @ right, 20, device)["wall"]


def in_process(kind: str, arguments: list[str]) -> dict[str, float]:
    """Run `measure` in a fresh process, since the memory allocator is configured per process."""
    command = [sys.executable, __file__, "--only", kind, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=dict(os.environ))
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure both kinds alternately and print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", default="seresnext50_32x4d")
    parser.add_argument("--crop", type=int, default=384)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=1, help="steps measured per round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=max(0, (os.cpu_count() or 1) - 1))
    parser.add_argument("--loader", action=argparse.BooleanOptionalAction, default=torch.cuda.is_available())
    parser.add_argument("--only", choices=("plain", "ours"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(given.only, given, Path(folder))))
        return
    rounds = [
        {kind: in_process(kind, sys.argv[1:]) for kind in ("plain", "ours")} for _ in range(given.rounds)
    ]
    best = {
        kind: min((each[kind] for each in rounds), key=lambda found: found["wall"])
        for kind in ("plain", "ours")
    }
    for kind, found in best.items():
        print(
            f"step, {kind}: {found['wall']:.3f} s, {found['processor']:.3f} CPU s, "
            f"{given.batch / found['wall']:.2f} fields/s"
            + (f"; loader only {found['loader']:.1f} fields/s" if "loader" in found else "")
            + (
                f"; {found['memory']:.1f} GiB, {found['flops'] / found['wall'] / found['peak']:.1%} of the "
                f"bf16 peak of {found['peak'] / 1e12:.0f} TFLOP/s"
                if "peak" in found
                else ""
            )
        )
    ratios = {
        name: [each["plain"][name] / each["ours"][name] for each in rounds] for name in ("wall", "processor")
    }
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {given.threads} threads"
    for name, values in ratios.items():
        spread = f"{min(values):.2f} to {max(values):.2f}"
        print(f"step: {np.median(values):.2f} x the plain loop by {name} time ({spread})")
    print(f"({given.backbone}, crop {given.crop}, batch {given.batch}, {device})")


if __name__ == "__main__":
    main()
