"""Step 1 on one field: a plain implementation of the published loop against the library's.

The plain version builds a mask of the whole field for every cell and takes a quantile under it for every class.
Run: python benchmarks/step1.py [--classes 19 --cells 22 --size 512 --repeats 5]
"""

import argparse
import time
from functools import partial

import cv2
import numpy as np
from skimage.transform import resize
from threadpoolctl import threadpool_limits

from puzzlecell.config.base import class_limit
from puzzlecell.config.steps import Step1Settings
from puzzlecell.inference.step1 import step1_scores


def plain_step1(
    maps: np.ndarray,
    logits: np.ndarray,
    labels: np.ndarray,
    settings: Step1Settings,
    negative: int | None,
    *,
    places: bool = True,
) -> np.ndarray:
    """Probabilities (n, C) of the cells, one class and one cell at a time; arguments as in `step1_scores`.

    places: look up the cell's centre and the position of its maximum for every kept pair, as the published loop does;
    the result does not depend on them.
    """
    numbers = [number for number in np.unique(labels) if number != 0]
    probabilities = [1 / (1 + np.exp(-float(logit))) for logit in logits]
    kept, rejected = {}, False
    for index, p in enumerate(probabilities):
        if p <= settings.probability_floor:
            continue
        positive = np.where(maps[index] > 0, maps[index], 0)
        scaled = np.where(positive - 1e-5 > 0, positive - 1e-5, 0) / (positive.max() + 1e-5)
        resized = resize(scaled.astype(np.float32), labels.shape, order=1, anti_aliasing=True)
        over_field = np.quantile(resized, settings.quantile)
        for number in numbers:
            mask = labels == number
            over_cell = np.quantile(resized[mask], settings.quantile)
            if over_cell == 0:
                confidence = 0.0
            elif over_field == 0:
                confidence = p
            else:
                confidence = min(max(over_cell * p / over_field, 0), p)
            if confidence / p > settings.keep_ratio:
                kept[number, index] = confidence
                if places:
                    largest = resized[mask].max()
                    np.where(mask)[0].mean(), np.where(mask)[1].mean()
                    np.where(resized == largest)[0][0], np.where(resized == largest)[1][0]
            else:
                rejected = True
    most = {}
    for (_, index), confidence in kept.items():
        most[index] = max(confidence, most.get(index, 0))
    allowed = sorted(most, key=lambda index: -most[index])[: class_limit(settings.max_classes, len(logits))]
    scores = np.zeros((len(numbers), len(logits)))
    for (number, index), confidence in kept.items():
        if index in allowed:
            scores[numbers.index(number), index] = confidence
    if negative is not None:
        for row in range(len(numbers)):
            if not kept:
                scores[row, negative] = max(probabilities) if rejected else 1 - max(probabilities)
            elif not scores[row].any():
                scores[row, negative] = probabilities[negative]
    return scores


def example(classes: int, cells: int, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smooth random maps (classes, size / 16, size / 16), logits and a label image of Voronoi cells."""
    random = np.random.default_rng(seed)
    side = max(2, size // 16)
    maps = random.normal(size=(classes, side, side)).astype(np.float32)
    maps = np.stack([cv2.GaussianBlur(one, (0, 0), 2) * 8 for one in maps]).astype(np.float32)
    logits = random.normal(-1, 2, classes).clip(-4, 6).astype(np.float32)
    points = random.uniform(0, size, (cells, 2))
    rows, columns = np.mgrid[:size, :size]
    distance = np.stack([np.hypot(rows - y, columns - x) for y, x in points])
    labels = distance.argmin(0) + 1
    labels[distance.min(0) > size / (1.6 * np.sqrt(cells))] = 0
    return maps, logits, labels.astype(np.uint16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("classes", 19), ("cells", 22), ("size", 512), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    maps, logits, labels = example(arguments.classes, arguments.cells, arguments.size)
    settings = Step1Settings()
    seconds, scores = {}, {}
    for name, function in (
        ("published loop", plain_step1),
        ("loop, no places", partial(plain_step1, places=False)),
        ("library", step1_scores),
    ):
        times = []
        for _ in range(arguments.repeats):
            start = time.perf_counter()
            scores[name] = function(maps, logits, labels, settings, arguments.classes - 1)
            times.append(time.perf_counter() - start)
        seconds[name] = min(times)
        print(f"{name:15s} {1000 * seconds[name]:8.1f} ms per field")
    for name in ("published loop", "loop, no places"):
        difference = np.abs(scores[name] - scores["library"]).max()
        print(
            f"{seconds[name] / seconds['library']:.1f} times faster than the {name}, "
            f"largest difference {difference:.1e}"
        )


if __name__ == "__main__":
    # One core is measured: with several threads, the matrix product waits for busy cores and takes ten times as long.
    with threadpool_limits(1):
        main()
