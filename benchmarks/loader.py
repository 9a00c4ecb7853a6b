"""Data loading: training fields per second and core, the published pipeline against ours, and the file sizes.

Plain: the published pipeline, reimplemented from its description: float32 HDF5 with one dataset per ID -> uint8 ->
albumentations with the published settings -> float64 normalisation -> float32, channels first. Ours: the store (uint8,
compressed) -> crop and augmentation -> uint8, channels last; the network normalises.
Run: python benchmarks/loader.py [--fields 24 --repeats 8 --images FOLDER --id ID]
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
from threadpoolctl import threadpool_limits

from puzzlecell.config.augmentation import REFERENCE
from puzzlecell.data.fields import read_field
from puzzlecell.data.resize import resize_field
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.training._albumentations import albumentations as A  # noqa: N812
from puzzlecell.training.augment import Augmenter
from puzzlecell.training.dataloaders import TrainingFields
from puzzlecell.training.samples import collate

SIZE, CROP, BATCH = 512, 384, 12
MEAN, STD = np.array([0.485, 0.456, 0.406, 0.485]), np.array([0.229, 0.224, 0.225, 0.229])
REFLECT = cv2.BORDER_REFLECT_101


def plain_augmentation(crop: int) -> A.Compose:
    """The published list of transforms, with the names of albumentations 2.0.8."""
    return A.Compose(
        [
            A.RandomCrop(crop, crop),
            A.OneOf(
                [
                    A.GaussNoise(std_range=(5**0.5 / 255, 30**0.5 / 255), p=0.5),
                    A.CoarseDropout((8, 8), (32, 32), (32, 32), p=0.5),
                    A.AdditiveNoise(
                        "gaussian", "shared", {"mean_range": (0, 0), "std_range": (0.02, 0.05)}, p=0.5
                    ),
                ],
                p=0.5,
            ),
            A.HorizontalFlip(p=0.5),
            A.RandomRotate90(p=1),
            A.OneOf(
                [
                    A.GridDistortion(5, 0.3, normalized=False, border_mode=REFLECT, p=0.15),
                    A.Affine(
                        translate_percent=(-0.05, 0.05),
                        scale=(0.9, 1.1),
                        rotate=(-30, 30),
                        keep_ratio=True,
                        border_mode=REFLECT,
                        p=0.75,
                    ),
                    A.ElasticTransform(1, 50, border_mode=REFLECT, p=0.15),
                    A.OpticalDistortion(0.05, border_mode=REFLECT, p=0.10),
                    A.Affine(shear={"x": (5, 5), "y": (0, 0)}, border_mode=REFLECT, p=0.5),
                ],
                p=0.5,
            ),
            A.OneOf(
                [
                    A.GaussianBlur((3, 5), (0.8, 1.1), p=0.5),
                    A.MotionBlur((3, 5), p=0.5),
                    A.MedianBlur((3, 7), p=0.5),
                ],
                p=0.5,
            ),
            A.OneOf([A.RandomGamma((80, 120), p=0.5), A.RandomBrightnessContrast(0.2, 0.2, p=0.5)], p=0.25),
        ]
    )


class PlainLoader:
    """Loads one field at a time, as published."""

    def __init__(self, path: Path, crop: int = CROP):
        self.path = path
        self.file: h5py.File | None = None
        self.augment = plain_augmentation(crop)
        self.augment.set_random_state(np.random.default_rng(1), random.Random(1))

    def field(self, field_id: str) -> np.ndarray:
        """Return one augmented and normalised crop, (4, crop, crop) float32."""
        if self.file is None:
            self.file = h5py.File(self.path, "r")
        image = (255 * self.file[field_id][:, :, :]).astype(np.uint8)
        image = self.augment(image=image)["image"]
        image = image / 255.0
        image = image - MEAN
        image = image / STD
        return image.transpose(2, 0, 1).astype("float32")


def example_fields(folder: str | None, field_id: str | None, count: int) -> list[np.ndarray]:
    """Return `count` views of a real field if one is given, else of a synthetic one: smooth structures with noise."""
    if folder is not None and field_id is not None:
        field = resize_field(read_field(folder, field_id), SIZE)
    else:
        generator = np.random.default_rng(0)
        smooth = cv2.GaussianBlur(generator.normal(0, 1, (SIZE, SIZE, 4)), (0, 0), 6)
        grainy = 40 + 900 * smooth + generator.normal(0, 3, smooth.shape)
        field = grainy.clip(0, 255).astype(np.uint8)
    return [np.roll(np.rot90(field, number), 37 * number, axis=0) for number in range(count)]


def seconds(work: Callable[[], None], repeats: int) -> list[float]:
    """CPU seconds of each of `repeats` runs, after one warm-up run."""
    work()
    times = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return times


def main() -> None:
    """Measure both pipelines alternately, and print the medians and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fields", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--images", help="folder of a real field to use instead of a synthetic one")
    parser.add_argument("--id", help="ID of the real field")
    given = parser.parse_args()
    cv2.setNumThreads(0)
    threadpool_limits(1)
    images = example_fields(given.images, given.id, given.fields)
    ids = [f"field{number}" for number in range(given.fields)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with h5py.File(folder / "plain.h5", "w") as file:
            for field_id, image in zip(ids, images, strict=True):
                file.create_dataset(field_id, data=image.astype(np.float32) / 255)
        sides = np.full(given.fields, 2048)
        write_shard(
            folder / "store.h5", ids, {"images": np.stack(images), "height": sides, "width": sides}, {}
        )
        plain = PlainLoader(folder / "plain.h5")
        ours = TrainingFields(
            ShardReader([folder / "store.h5"]),
            ids,
            np.zeros((given.fields, 19)),
            SIZE,
            Augmenter(REFERENCE, CROP, seed=1),
        )
        epoch = iter(range(10**6))

        def run_plain() -> None:
            for first in range(0, given.fields, BATCH):
                np.stack([plain.field(field_id) for field_id in ids[first : first + BATCH]])

        def run_ours() -> None:
            shown = next(epoch)
            for first in range(0, given.fields, BATCH):
                rows = range(first, min(first + BATCH, given.fields))
                collate([ours[(shown, row, row)] for row in rows])

        rates = {"plain": [], "ours": []}
        for _ in range(given.repeats):
            for label, work in (("plain", run_plain), ("ours", run_ours)):
                rates[label] += [given.fields / value for value in seconds(work, 1)]
        sizes = {label: (folder / f"{label}.h5").stat().st_size for label in ("plain", "store")}
    medians = {label: float(np.median(values)) for label, values in rates.items()}
    for label, values in rates.items():
        print(
            f"loader, {label}: {medians[label]:.1f} fields/s per core (from {min(values):.1f} to {max(values):.1f})"
        )
    print(f"loader: {medians['ours'] / medians['plain']:.2f} x the plain pipeline")
    megabytes = {label: size / given.fields / 1e6 for label, size in sizes.items()}
    print(
        f"store: {megabytes['store']:.3f} MB per field, plain {megabytes['plain']:.3f} MB: "
        f"1 / {megabytes['plain'] / megabytes['store']:.2f}"
    )


if __name__ == "__main__":
    main()
