"""Labelling of one field: a plain implementation of the published algorithm against the library's.

The plain version, written from the published description, works on whole images with scikit-image. Both read the same
probabilities, derived from simulated cells or from the label images <name>_mask.png in the folder given by --masks.
With --faults, both reproduce the faults of the published code.
Run: python benchmarks/labelling.py [--size 512 2048] [--cells 22] [--fields 3] [--repeats 3] [--faults]
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import label
from skimage.morphology import closing, disk
from skimage.segmentation import find_boundaries, watershed

from puzzlecell.config.labelling import LabellingSettings, PublishedFaults
from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.segmentation.hpa_labelling import label_cells
from puzzlecell.simulate.field import simulate_field


def plain_label_cells(
    nuclei: np.ndarray, cells: np.ndarray, pixel_um: float, settings: LabellingSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Label images (cells, nuclei); arguments as in `puzzlecell.segmentation.hpa_labelling.label_cells`."""
    scale = (0.08 / pixel_um) ** 2
    faults = settings.faults

    def area(full: float) -> int:
        return max(1, round(full * scale))

    # Nuclei: watershed of the nuclear mask from seeds away from borders.
    if faults.border_sum_wraps:
        border = (nuclei[..., 1] + cells[..., 1]) / 255
    else:
        border = np.minimum(nuclei[..., 1].astype(int) + cells[..., 1], 255) / 255
    free = (
        1 - border > settings.border_threshold
        if faults.seed_border_inverted
        else border <= settings.border_threshold
    )
    seeds = drop_small((nuclei[..., 2] / 255 * free) > settings.seed_threshold, area(settings.seed_minimum))
    mask = nuclei[..., 2] / 255 > settings.nucleus_threshold
    mask = ~drop_small(~mask, area(settings.nucleus_hole))
    mask = drop_small(mask, area(settings.nucleus_speck))
    markers = ndimage.label(seeds)[0]
    nucleus_labels = watershed(mask.astype(np.uint8), markers, mask=mask, watershed_line=True)
    nucleus_labels = label(drop_small_labels(nucleus_labels, area(settings.nucleus_minimum)))

    # Cells: watershed from the nuclei; small cells dropped, gaps closed, touching cells separated.
    threshold = settings.cell_threshold
    if cells[..., 2].min() < cells[..., 2].max():
        threshold = max(threshold, settings.otsu_factor * threshold_otsu(cells[..., 2] / 255))
    region = cells[..., 2] / 255 > threshold
    if not faults.border_never_excluded:
        region &= ~(cells[..., 1] / 255 > settings.border_threshold)
    level = cells[..., 2].astype(float)
    cell_labels = watershed(-level, nucleus_labels, mask=region)
    cell_labels = drop_small_labels(cell_labels, area(settings.cell_minimum))
    cell_labels = cell_labels.astype(np.uint8 if faults.cell_numbers_wrap else np.uint16)
    cell_labels = closing(cell_labels, disk(max(1, round(settings.closing_radius * scale**0.5))))
    cell_labels = fill_holes_of_labels(cell_labels, faults.enclosed_cells_merge)

    # Watershed into the border between touching cells.
    region = (cell_labels > 0) | (cells[..., 1] / 255 > settings.border_threshold)
    cell_labels = fill_holes_of_labels(
        watershed(-level, cell_labels, mask=region), faults.enclosed_cells_merge
    )
    cell_labels = label(drop_small_labels(label(cell_labels > 0), area(settings.cell_minimum)))

    inside = label((cell_labels > 0) & (nucleus_labels > 0))
    nucleus_labels = cell_labels * (drop_small_labels(inside, area(settings.nucleus_minimum)) > 0)
    if not settings.keep_without_nucleus:
        cell_labels = label(cell_labels * np.isin(cell_labels, np.unique(nucleus_labels)))
        nucleus_labels = cell_labels * (nucleus_labels > 0)
    return cell_labels.astype(np.uint16), nucleus_labels.astype(np.uint16)


def drop_small(mask: np.ndarray, minimum: int) -> np.ndarray:
    """Remove connected components of fewer than `minimum` pixels from a bool mask."""
    return drop_small_labels(ndimage.label(mask)[0], minimum) > 0


def drop_small_labels(labels: np.ndarray, minimum: int) -> np.ndarray:
    """Remove labels of fewer than `minimum` pixels from a label image."""
    sizes = np.bincount(labels.ravel())
    return labels * (sizes[labels] >= minimum)


def fill_holes_of_labels(labels: np.ndarray, enclosed_merge: bool) -> np.ndarray:
    """Separate labels at their boundaries, fill their holes and renumber them."""
    parted = labels * ~find_boundaries(labels) > 0
    filled = ndimage.binary_fill_holes(parted)
    if not enclosed_merge:
        pieces, holes = ndimage.label(parted)[0], ndimage.label(filled & ~parted)[0]
        for hole, (rows, columns) in enumerate(ndimage.find_objects(holes), start=1):
            window = np.s_[
                max(0, rows.start - 1) : rows.stop + 1, max(0, columns.start - 1) : columns.stop + 1
            ]
            inside = holes[window] == hole
            around = pieces[window][ndimage.binary_dilation(inside)]
            if len(np.unique(around[around > 0])) > 1:
                filled[window][inside] = False
    return ndimage.label(filled)[0]


def probabilities(
    cells: np.ndarray, nuclei: np.ndarray, size: int, seed: int, certain: float = 0.8
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate the networks' outputs for ground-truth label images: (size, size, 3) uint8 for nuclei and for cells.

    certain: probability of border where cells touch; the rest is object. Computed at the networks' 512 pixels with
    uneven confidence, and resized to `size` as in the published code.
    """
    rng = np.random.default_rng(seed)
    outputs = []
    for truth in (nuclei, cells):
        labels = cv2.resize(truth, (512, 512), interpolation=cv2.INTER_NEAREST)
        inside = cv2.GaussianBlur((labels > 0).astype(np.float32), (0, 0), 1.5)
        near = np.ones((9, 9), np.uint8)
        low = np.where(labels == 0, np.uint16(65535), labels)
        touching = (cv2.dilate(labels, near) > cv2.erode(low, near)) & (labels > 0)
        border = cv2.GaussianBlur(touching.astype(np.float32), (0, 0), 1.0) * certain
        unsure = cv2.GaussianBlur(rng.standard_normal((512, 512)).astype(np.float32), (0, 0), 12)
        confidence = np.clip(0.9 + 0.8 * unsure, 0.3, 1)
        both = np.stack([np.zeros_like(inside), border, np.clip(inside * confidence - border, 0, 1)], axis=-1)
        both = np.round(255 * both).astype(np.uint8)
        outputs.append(cv2.resize(both, (size, size), interpolation=cv2.INTER_AREA) if size != 512 else both)
    return outputs[0], outputs[1]


def truths(masks: Path | None, fields: int, cells: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Ground-truth label images (cells, nuclei), one pair per field."""
    if masks is not None:
        return [
            _with_nuclei(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
            for path in sorted(masks.glob("*_mask.png"))
        ]
    settings = SimulationSettings(size=1024, cells=(cells, cells))
    made = [simulate_field("labelling", index, settings, seed=1) for index in range(fields)]
    return [(field.cells, field.nuclei) for field in made]


def _with_nuclei(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Add nuclei to a label image of cells: the centre of each cell."""
    cells = cells.astype(np.uint16)
    nuclei = np.zeros_like(cells)
    for number in range(1, int(cells.max()) + 1):
        depth = cv2.distanceTransform((cells == number).astype(np.uint8), cv2.DIST_L2, 5)
        nuclei[depth > max(0.45 * depth.max(), 1)] = number
    return cells, nuclei


def worst_iou(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Lowest IoU of any cell of either label image with its best match in the other."""
    both = np.zeros((int(ours.max()) + 1, int(theirs.max()) + 1))
    np.add.at(both, (ours.ravel(), theirs.ravel()), 1)
    union = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    iou = (both / np.maximum(union, 1))[1:, 1:][both[1:].any(axis=1)][:, both[:, 1:].any(axis=0)]
    return (
        min(iou.max(axis=1).min(), iou.max(axis=0).min()) if iou.size else float(ours.any() == theirs.any())
    )


def main() -> None:
    """Print the CPU time of both versions per field, their ratio, and how well their cells agree."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, nargs="+", default=[512, 2048])
    parser.add_argument("--cells", type=int, default=22)
    parser.add_argument("--fields", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--faults", action="store_true", help="all faults of the published code on, in both")
    parser.add_argument("--certain", type=float, default=0.8, help="probability of border where cells touch")
    parser.add_argument("--masks", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    faults = (
        PublishedFaults(**dict.fromkeys(PublishedFaults.model_fields, True))
        if arguments.faults
        else PublishedFaults()
    )
    settings = LabellingSettings(faults=faults)
    fields = truths(arguments.masks, arguments.fields, arguments.cells)
    for size in arguments.size:
        pixel_um = 0.08 * 2048 / size
        times = {plain_label_cells: [], label_cells: []}
        worst, count = 1.0, 0
        for number, (cells, nuclei) in enumerate(fields):
            inputs = probabilities(cells, nuclei, size, number, arguments.certain)
            found = {}
            for method, seconds in times.items():
                taken = []
                for _ in range(arguments.repeats):
                    start = time.process_time()
                    found[method] = method(*inputs, pixel_um, settings)
                    taken.append(time.process_time() - start)
                seconds.append(min(taken))
            worst = min(worst, *(worst_iou(a, b) for a, b in zip(*found.values(), strict=True)))
            count += int(found[label_cells][0].max())
        plain, ours = (float(np.mean(seconds)) for seconds in times.values())
        print(
            f"{size} x {size}: plain {plain:.3f} s, puzzlecell {ours:.3f} s per field, {plain / ours:.1f} x; "
            f"{count} cells, worst IoU {worst:.4f}"
        )


if __name__ == "__main__":
    main()
