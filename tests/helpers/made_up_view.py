"""A view of a made-up run: the files that `snakemake view` writes, without a run, from a few cells to a million.

Fields are grids of cells; a cell is a round shape whose class decides the pattern of its green channel. All numbers are
random but for the seed.
"""

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from helpers.paths import ROOT

from puzzlecell.viewer.chunks import quantised, write_chunk

PAGE = ROOT / "src/puzzlecell/viewer/page"
STEP, SLOTS = 120, (4, 5)
"""Pixels of a field between two cells; cells of a field at most, down and across."""
HEIGHT, WIDTH = STEP * SLOTS[0], STEP * SLOTS[1]
POINTS, SCALE = 24, 4
"""Points of an outline; points per raw pixel in which outlines are written."""
UNCERTAIN = 1 << 31

CLASSES = (
    "Nucleoplasm",
    "Nuclear membrane",
    "Nucleoli",
    "Nuclear speckles",
    "Golgi apparatus",
    "Intermediate filaments",
    "Actin filaments",
    "Microtubules",
    "Mitotic spindle",
    "Mitochondria",
    "Cytosol",
    "Negative",
)
HOSTILE_CLASSES = (
    '<img src=x onerror="window.hacked=1">',
    '"><script>window.hacked=1</script>',
    "</script><script>window.hacked=1</script>",
    "'; window.hacked=1; //",
    "${window.hacked=1}{{window.hacked=1}}",
    "javascript:window.hacked=1",
    '" onmouseover="window.hacked=1" onfocus="window.hacked=1" autofocus="',
    "<svg onload=window.hacked=1>",
    "=HYPERLINK(1)",
    "&lt;b&gt; & \u202eright to left",
    "__proto__",
    "Negative",
)
HOSTILE_IDS = (
    "<img src=x onerror=window.hacked=1>",
    '"\'><script>window.hacked=1</script>',
    "a&b=c?d#e/f%20g+h",
    "=1+1",
    "constructor",
    "\u202etxet",
)


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


@dataclass
class MadeUpView:
    """The folder of a view, and its cells as one table.

    cells: a row per cell: `dataset, shard, ID, cell, field_height, field_width, y0, x0, y1, x1, centroid_y, centroid_x,
    area_px, nucleus_area_px, quality, touches_border, unlike, order, picked, picture, truth` (bit mask, -1 unknown), the
    metadata columns, then per class c `p<c>` (ensemble), `calibrated<c>` (NaN without), `step1_<c>`, `step2_<c>`.
    Values are those of the files, so they agree with the pages to the last digit. None for a view that keeps no table.
    """

    folder: Path
    classes: tuple[str, ...]
    cells: pd.DataFrame | None
    pictures: int = 0
    layouts: tuple[Layout, ...] = ()


SMALL = (
    Layout("test", "test", shards=2, calibrated=True, fields=9, cells=(0, 16), pictures=1),
    Layout("holdout", "holdout", truth=True, wells=False, fields=8, pictures=1),
)


def million(cells: int = 1_000_000, fields: int = 50_000, shards: int = 100) -> tuple[Layout, ...]:
    """A data set of `cells` cells; pictures as many as the default configuration makes."""
    each = round(cells / fields)
    return (
        Layout(
            "test",
            "test",
            shards=shards,
            fields=fields // shards,
            cells=(each, each),
            pictures=math.ceil(500 / shards),
            sample=math.ceil(2000 / shards),
            field_pictures=math.ceil(2000 / shards),
            cams=0,
        ),
    )


def write_view(
    folder: Path,
    layouts: Sequence[Layout] = SMALL,
    classes: Sequence[str] = CLASSES,
    ids: Sequence[str] = (),
    *,
    seed: int = 1,
    tile: int = 64,
    distinct: int | None = None,
    keep: bool = True,
) -> MadeUpView:
    """Write a view and return it.

    ids: names of the first fields of each shard in place of made-up ones. distinct: sheets of a shard that are drawn;
    further ones are copies (None: every cell is drawn). keep: return the table of all cells.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(PAGE, folder, dirs_exist_ok=True)
    pictures = {"tile": tile, "per_sheet": 32, "field_tile": 4 * tile}
    made, tables, described = 0, [], []
    for layout in layouts:
        shards = []
        for number in range(layout.shards):
            shard = _Shard(layout, number, tuple(classes), tuple(ids), np.random.default_rng([seed, made, number]))
            target = folder / "data" / layout.name / f"{number:03d}"
            shard.write(target, pictures, distinct)
            if keep:
                tables.append(shard.table())
            size = sum(file.stat().st_size for file in target.iterdir())
            entry = {"name": f"{number:03d}", "fields": layout.fields, "cells": shard.n}
            shards.append({**entry, "pictures": int((shard.picture > 0).sum()), "bytes": size})
        made += 1
        described.append(_described(layout, shards))
    run = {
        "format": 1,
        "version": "0.1.0",
        "classes": list(classes),
        "negative": len(classes) - 1,
        "pictures": pictures,
        "datasets": described,
        "thresholds": [round(0.3 + 0.02 * c, 2) for c in range(len(classes))],
        "summary": {},
        "grading": {},
    }
    write_chunk(folder / "data/run.js", "run", run, {})
    total = sum(shard["pictures"] for dataset in described for shard in dataset["shards"])
    return MadeUpView(folder, tuple(classes), pd.concat(tables) if keep else None, total, tuple(layouts))


def _described(layout: Layout, shards: list[dict]) -> dict:
    return {
        "name": layout.name,
        "role": layout.role,
        "shards": shards,
        "fields": sum(shard["fields"] for shard in shards),
        "cells": sum(shard["cells"] for shard in shards),
        "metadata": ["well", "antibody"] if layout.wells else [],
        "pixel_size_um": 0.32,
        "truth": layout.truth,
        "calibrated": layout.calibrated,
        "steps": ["step 1", "step 2"],
        "group": "^(.+)_[0-9]+$",
    }


class _Shard:
    """The numbers of a shard, made once."""

    def __init__(self, layout, number, classes, ids, random):
        self.layout, self.number, self.classes, self.random = layout, number, classes, random
        counts = random.integers(layout.cells[0], layout.cells[1] + 1, layout.fields)
        self.n, self.f, self.c = int(counts.sum()), layout.fields, len(classes)
        made_up = [f"{layout.name}{number:03d}_{i}" for i in range(self.f)]
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
        wave = 1 + 0.08 * np.sin(angle[None] * random.integers(2, 5, n)[:, None] + random.uniform(0, 6, n)[:, None])
        direction = np.stack([np.cos(angle), np.sin(angle)], 1)
        middle = self.middle[:, None, ::-1]
        self.outline = np.clip(middle + self.radius[:, None, None] * wave[..., None] * direction, 0, [WIDTH, HEIGHT])
        self.nucleus_outline = middle + self.nucleus[:, None, None] * direction[None]
        low, high = self.outline.min(1), self.outline.max(1)
        self.box = np.stack([low[:, 1], low[:, 0], np.ceil(high[:, 1]), np.ceil(high[:, 0])], 1).astype(np.uint32)
        self.border = ((self.box[:, 0] == 0) | (self.box[:, 1] == 0)).astype(np.uint8)
        self.quality = random.integers(60, 256, n).astype(np.uint8)

    def _scores(self):
        random, n, c = self.random, self.n, self.c
        self.top = random.integers(0, c, n)
        self.known = (random.random(n) < 0.9) & self.layout.truth
        shown = np.zeros((n, c), bool)
        shown[np.arange(n), self.top] = True
        shown |= random.random((n, c)) < 0.03
        self.truth = np.where(self.known, (shown << np.arange(c)).sum(1), 0).astype(np.uint32)
        guess = np.where(shown, random.beta(5, 2, (n, c)), random.beta(1, 8, (n, c)))
        self.members = [
            quantised(np.clip(guess + random.normal(0, spread, (n, c)), 0, 1).T) for spread in (0.05, 0.08, 0.06)
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

    def write(self, target: Path, pictures: dict, distinct: int | None) -> None:
        """Write the files of the shard."""
        target.mkdir(parents=True, exist_ok=True)
        name = f"{self.layout.name}/{self.number:03d}"
        with_cams = np.where(np.arange(self.f) < self.layout.cams, 0b111, 0).astype(np.uint32)
        metadata = self._metadata()
        columns = {
            "height": np.full(self.f, HEIGHT, np.uint32),
            "width": np.full(self.f, WIDTH, np.uint32),
            "pixel_size_um": np.full(self.f, 0.32, np.float32),
            "field_picture": (np.arange(self.f) < self.layout.field_pictures).astype(np.uint8),
            "black": np.full((self.f, 4), 4, np.uint8),
            "white": np.full((self.f, 4), 220, np.uint8),
            "field_unlike": np.full(self.f, np.nan, np.float32),
            "cams": with_cams,
            **{f"metadata.{key}": codes for key, (_, codes) in metadata.items()},
            "field": self.field,
            "cell": self.cell.astype(np.uint32),
            **{key: np.ascontiguousarray(self.box[:, i]) for i, key in enumerate(("y0", "x0", "y1", "x1"))},
            "centroid": self.middle.astype(np.float32),
            "area": np.round(np.pi * self.radius**2).astype(np.uint32),
            "nucleus_area": np.round(np.pi * self.nucleus**2).astype(np.uint32),
            "quality": self.quality,
            "touches_border": self.border,
            "scores": self.scores,
            "truth": self.truth,
            "known": self.known.astype(np.uint8),
            "disagree": self.disagree,
            "unlike": self.unlike,
            "order": self.order,
            "picked": self.picked,
            "picture": self.picture,
            "crop": self.crop,
        }
        if self.layout.calibrated:
            columns |= {"calibrated": self.calibrated, "calls": self.calls}
        content = {"ids": self.ids, "metadata": {key: {"values": values} for key, (values, _) in metadata.items()}}
        write_chunk(target / "cells.js", f"{name}/cells", content, columns)
        self._write_details(target, name)
        self._write_shapes(target, name)
        self._write_pictures(target, pictures, distinct)

    def _metadata(self):
        if not self.layout.wells:
            return {}
        wells = [f"B{1 + i:02d}" for i in range(3)]
        antibodies = [f"HPA{100 + i:06d}" for i in range(2)]
        if self.classes == HOSTILE_CLASSES:
            wells[0], antibodies[0] = "<img src=x onerror=window.hacked=1>", '"><script>window.hacked=1</script>'
        number = np.arange(self.f)
        return {"well": (wells, (number % 3).astype(np.uint16)), "antibody": (antibodies, (number % 2).astype(np.uint16))}

    def _write_details(self, target, name):
        of_member = [("lite0", "stage2", 1), ("lite0", "stage3", 1), ("lite0", "stage3", 2)]
        predictions = [{"name": f"step {step}", "step": step, "model": None, "stage": None, "weight": None} for step in (1, 2)]
        predictions += [
            {"name": f"step {step}, {model} {stage}", "step": step, "model": model, "stage": stage, "weight": 1.0}
            for model, stage, step in of_member
        ]
        content = {"predictions": predictions, "unlike_in": {}}
        write_chunk(target / "details.js", f"{name}/details", content, {"scores": np.stack([*self.steps, *self.members])})

    def _write_shapes(self, target, name):
        rings, points = np.arange(self.n + 1, dtype=np.uint32), np.arange(self.n + 1, dtype=np.uint32) * POINTS
        columns = {}
        for kind, outline in (("cell", self.outline), ("nucleus", self.nucleus_outline)):
            columns[f"{kind}_rings"] = rings
            columns[f"{kind}_points"] = points.astype(np.uint32)
            columns[f"{kind}_xy"] = np.round(outline.reshape(-1, 2) * SCALE).astype(np.uint16)
        write_chunk(target / "shapes.js", f"{name}/shapes", {"scale": SCALE}, columns)

    def _write_pictures(self, target, pictures, distinct):
        tile, per_sheet = pictures["tile"], pictures["per_sheet"]
        chosen = np.flatnonzero(self.picture)
        for number, start in enumerate(range(0, len(chosen), per_sheet)):
            path = target / f"sheet-{number:04d}.webp"
            if distinct is not None and number >= distinct:
                shutil.copyfile(target / f"sheet-{number % distinct:04d}.webp", path)
                continue
            sheet = np.zeros((per_sheet * tile, 4 * tile), np.uint8)
            for slot, i in enumerate(chosen[start : start + per_sheet]):
                sheet[slot * tile : (slot + 1) * tile] = np.hstack(self.drawn(i, tile))
            _write_webp(path, sheet)
        side = pictures["field_tile"]
        for number in range(min(self.f, self.layout.field_pictures)):
            path = target / f"field-{number:04d}.webp"
            if distinct is not None and number >= distinct:
                shutil.copyfile(target / f"field-{number % distinct:04d}.webp", path)
                continue
            _write_webp(path, np.hstack(self._field_picture(number, side)))
        for number in range(min(self.f, self.layout.cams)):
            for c in range(3):
                x, y = np.meshgrid(np.linspace(-1, 1, 64), np.linspace(-1, 1, 64))
                warm = (255 * np.exp(-3 * ((x - 0.3 * c + 0.3) ** 2 + (y - 0.3 * c + 0.3) ** 2))).astype(np.uint8)
                _write_webp(target / f"cam-{number:04d}-{c:02d}.webp", warm)

    def drawn(self, i: int, tile: int) -> list[np.ndarray]:
        """The four channels of cell i in its square, (tile, tile) uint8 each."""
        y0, x0, side = self.crop[i]
        zoom = tile / side
        outline = (self.outline[i] - [x0, y0]) * zoom
        nucleus = (self.nucleus_outline[i] - [x0, y0]) * zoom
        return _channels((tile, tile), outline, nucleus, int(self.scores[:, i].argmax()))

    def _field_picture(self, number, side):
        whole = [np.zeros((side, side), np.uint8) for _ in range(4)]
        for i in np.flatnonzero(self.field == number):
            stretch = [side / WIDTH, side / HEIGHT]
            outlines = self.outline[i] * stretch, self.nucleus_outline[i] * stretch
            drawn = _channels((side, side), *outlines, int(self.scores[:, i].argmax()))
            whole = [np.maximum(before, added) for before, added in zip(whole, drawn, strict=True)]
        return whole

    def table(self) -> pd.DataFrame:
        """The cells of the shard as `MadeUpView.cells` describes them."""
        metadata = self._metadata()
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


def _channels(shape, outline, nucleus, top):
    """Microtubules, protein, nucleus and endoplasmic reticulum of a cell; outlines: (k, 2) x, y."""
    cell, core = (np.zeros(shape, np.uint8) for _ in range(2))
    cv2.fillPoly(cell, [np.round(outline).astype(np.int32)], 1)
    cv2.fillPoly(core, [np.round(nucleus).astype(np.int32)], 1)
    y, x = np.indices(shape)
    stripes = 0.5 + 0.5 * np.sin((x + 2 * y) * 0.6)
    dots = 0.5 + 0.5 * np.sin(x * (0.3 + 0.1 * top)) * np.sin(y * (0.2 + 0.1 * top))
    plasma = cell & (1 - core)
    red, yellow = 150 * plasma * stripes, 110 * plasma
    green = 230 * dots * (core if top < 4 else plasma)
    return [np.asarray(channel, np.uint8) for channel in (red, green, 200 * core, yellow)]


def _write_webp(path, grey):
    if not cv2.imwrite(str(path), grey, [cv2.IMWRITE_WEBP_QUALITY, 80]):
        raise OSError(f"{path}: cannot be written")


def hostile() -> tuple[Layout, ...]:
    """Layout of a view whose IDs and class names try to get into the page."""
    return tuple(replace(layout, fields=len(HOSTILE_IDS) + 1) for layout in SMALL)
