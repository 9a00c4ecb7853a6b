"""The numbers of a shard of a made-up run.

Fields are grids of cells; a cell is a round shape. All numbers are random but for the seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell.viewer.chunks import quantised

STEP, SLOTS = 120, (4, 5)
"""Pixels of a field between two cells; cells of a field at most, down and across."""
HEIGHT, WIDTH = STEP * SLOTS[0], STEP * SLOTS[1]
POINTS, SCALE = 24, 4
"""Points of an outline; points per raw pixel in which outlines are written."""
UNCERTAIN = 1 << 31


@dataclass(frozen=True)
class Layout:
    """What a made-up data set holds.

    cells: fewest and most per field. pictures: cells with a picture, per class and shard, for each of the four reasons;
    sample: of the uniform sample, per shard. cams: fields per shard with activation maps of three classes.
    """

    name: str
    role: str
    shards: int = 1
    fields: int = 6
    cells: tuple[int, int] = (2, 12)
    truth: bool = False
    calibrated: bool = False
    wells: bool = True
    pictures: int = 3
    sample: int = 10
    field_pictures: int = 5
    cams: int = 2


class Shard:
    """Places, scores and selection of the cells of a shard; arrays have a row per cell, or the columns of a chunk."""

    def __init__(self, layout: Layout, number: int, classes: Sequence[str], ids: Sequence[str], random):
        self.layout, self.number, self.random = layout, number, random
        counts = random.integers(layout.cells[0], layout.cells[1] + 1, layout.fields)
        self.n, self.f, self.c = int(counts.sum()), layout.fields, len(classes)
        made_up = [f"{layout.name}{number:03d}_{i}" for i in range(self.f)]
        self.hostile = bool(ids)
        self.ids = [*ids, *made_up[len(ids) :]][: self.f]
        self.field = np.repeat(np.arange(self.f), counts).astype(np.uint32)
        self.slot = np.concatenate([np.arange(count) for count in counts]).astype(np.uint32)
        self.cell = self.slot + 1
        self._places()
        self._scores()
        self._selection()

    def _places(self):
        random, n = self.random, self.n
        row, column = self.slot // SLOTS[1], self.slot % SLOTS[1]
        jitter = random.integers(-6, 7, (n, 2))
        self.middle = np.stack([row * STEP + STEP // 2, column * STEP + STEP // 2], 1) + jitter
        self.radius = random.uniform(34, 52, n)
        self.nucleus = self.radius * random.uniform(0.4, 0.55, n)
        angle = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
        # Closed waves, so that no two cells look alike.
        wave = 1 + 0.08 * np.sin(
            angle[None] * random.integers(2, 5, n)[:, None] + random.uniform(0, 6, n)[:, None]
        )
        direction = np.stack([np.cos(angle), np.sin(angle)], 1)
        middle = self.middle[:, None, ::-1]
        self.outline = np.clip(
            middle + self.radius[:, None, None] * wave[..., None] * direction, 0, [WIDTH, HEIGHT]
        )
        self.nucleus_outline = middle + self.nucleus[:, None, None] * direction[None]
        low, high = self.outline.min(1), self.outline.max(1)
        self.box = np.stack([low[:, 1], low[:, 0], np.ceil(high[:, 1]), np.ceil(high[:, 0])], 1).astype(
            np.uint32
        )
        self.border = ((self.box[:, 0] == 0) | (self.box[:, 1] == 0)).astype(np.uint8)
        self.quality = random.integers(60, 256, n).astype(np.uint8)

    def _scores(self):
        random, n, c = self.random, self.n, self.c
        self.top = random.integers(0, c, n)
        self.known = (random.random(n) < 0.9) & self.layout.truth
        shown = np.zeros((n, c), bool)
        shown[np.arange(n), self.top] = True
        shown |= random.random((n, c)) < 0.03
        guess = np.where(shown, random.beta(5, 2, (n, c)), random.beta(1, 8, (n, c)))
        # One cell in five shows the next class, too, and one in five shows it in place of the most probable one.
        nth, rows = np.arange(n) % 5, np.arange(n)
        shown[rows[nth > 2], (self.top[nth > 2] + 1) % c] = True
        shown[rows[nth == 4], self.top[nth == 4]] = False
        self.truth = np.where(self.known, (shown << np.arange(c)).sum(1), 0).astype(np.uint32)
        self.members = [
            quantised(np.clip(guess + random.normal(0, spread, (n, c)), 0, 1).T)
            for spread in (0.05, 0.08, 0.06)
        ]
        first = np.mean(self.members[:2], 0)
        self.steps = [np.round(first).astype(np.uint16), self.members[2]]
        self.scores = np.round((self.steps[0].astype(float) + self.steps[1]) / 2).astype(np.uint16)
        self.disagree = np.abs(self.steps[0].astype(int) - self.steps[1]).max(0).astype(np.uint16)
        self.calibrated = quantised((self.scores / 65535) ** 1.5)
        thresholds = np.array([0.3 + 0.02 * i for i in range(c)])
        called = (self.calibrated / 65535) >= thresholds[:, None]
        bits = (called.astype(np.uint32) << np.arange(c, dtype=np.uint32)[:, None]).sum(0)
        self.calls = np.where(bits == 0, UNCERTAIN, bits).astype(np.uint32)
        self.unlike = random.gamma(2, 0.5, n).astype(np.float32)
        self.unlike[random.random(n) < 0.1] = np.nan
        self.order = random.permutation(2**32 // max(n, 1) * np.arange(n, dtype=np.uint64)).astype(np.uint32)

    def _selection(self):
        count = self.layout.pictures
        picked = np.zeros(self.n, np.uint8)
        values = self.scores.astype(int)
        base = self.calibrated / 65535 if self.layout.calibrated else values / 65535
        for c in range(self.c):
            threshold = 0.3 + 0.02 * c if self.layout.calibrated else 0.5
            picked[np.argsort(-values[c], kind="stable")[:count]] |= 1
            picked[np.argsort(np.abs(base[c] - threshold), kind="stable")[:count]] |= 2
            of_class = np.flatnonzero(values.argmax(0) == c)
            picked[of_class[np.argsort(-self.disagree[of_class].astype(int), kind="stable")[:count]]] |= 4
            picked[of_class[np.argsort(self.order[of_class], kind="stable")[: 4 * count]]] |= 8
        picked[np.argsort(self.order, kind="stable")[: self.layout.sample]] |= 16
        self.picked = picked
        self.picture = np.zeros(self.n, np.uint32)
        chosen = np.flatnonzero(picked)
        self.picture[chosen] = np.arange(len(chosen)) + 1
        side = np.ceil(self.radius * 2.4).astype(np.int32)
        corner = self.middle.astype(np.int32) - side[:, None] // 2
        self.crop = np.concatenate([corner, side[:, None]], 1).astype(np.int32)

    def metadata(self) -> dict[str, tuple[list[str], np.ndarray]]:
        """Values of each metadata column, and the number of its value for each field."""
        if not self.layout.wells:
            return {}
        wells = [f"B{1 + i:02d}" for i in range(3)]
        antibodies = [f"HPA{100 + i:06d}" for i in range(2)]
        if self.hostile:
            wells[0], antibodies[0] = (
                "<img src=x onerror=window.hacked=1>",
                '"><script>window.hacked=1</script>',
            )
        number = np.arange(self.f)
        return {
            "well": (wells, (number % 3).astype(np.uint16)),
            "antibody": (antibodies, (number % 2).astype(np.uint16)),
        }

    def table(self) -> pd.DataFrame:
        """The cells of the shard as `MadeUpView.cells` describes them."""
        metadata = self.metadata()
        found = {
            "dataset": self.layout.name,
            "shard": f"{self.number:03d}",
            "ID": np.array(self.ids, object)[self.field],
            "cell": self.cell.astype(int),
            "field_height": HEIGHT,
            "field_width": WIDTH,
            **{key: self.box[:, i].astype(int) for i, key in enumerate(("y0", "x0", "y1", "x1"))},
            "centroid_y": self.middle[:, 0].astype(float),
            "centroid_x": self.middle[:, 1].astype(float),
            "area_px": np.round(np.pi * self.radius**2).astype(int),
            "nucleus_area_px": np.round(np.pi * self.nucleus**2).astype(int),
            "quality": self.quality / 255,
            "touches_border": self.border.astype(bool),
            "unlike": self.unlike,
            "order": self.order.astype(np.int64),
            "picked": self.picked.astype(int),
            "picture": self.picture.astype(int),
            "disagree": self.disagree / 65535,
            "truth": np.where(self.known, self.truth.astype(np.int64), -1),
            "calls": self.calls.astype(np.int64) if self.layout.calibrated else -1,
            **{key: np.array(values, object)[codes[self.field]] for key, (values, codes) in metadata.items()},
        }
        for name, values in (("p", self.scores), ("step1_", self.steps[0]), ("step2_", self.steps[1])):
            found |= {f"{name}{c}": values[c] / 65535 for c in range(self.c)}
        calibrated = self.calibrated / 65535 if self.layout.calibrated else np.full(self.scores.shape, np.nan)
        found |= {f"calibrated{c}": calibrated[c] for c in range(self.c)}
        return pd.DataFrame(found)
