"""Cells of the classical segmenter against truth: one threshold per field, as before, against one per cell.

The version before is a plain copy: the mean of red and yellow, smoothed by 0.8 um and divided by one threshold per
field (Otsu's, or `--factor` times it), divided among the nuclei afterwards. Both find nuclei in the same way, but only
now are pieces of nuclei joined. The real fields' truth is what the HPA segmenter found (cell_masks), that of
nuclei_truth is drawn by hand; both are read from the folder given by --shared, and left out if it does not exist.
Prints, for each set of fields: the true cells (or nuclei) matched at an IoU above 0.6, the mean of the best IoU of
each true cell, and CPU seconds per field.
Run: python benchmarks/segmentation.py [--shared ../shared/data] [--fields 20] [--factor 1.0]
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from edt import edt
from skimage.filters import threshold_otsu

from puzzlecell.config.segmenters import ClassicalSettings
from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.data.fields import read_field
from puzzlecell.data.label_images import fill_holes, reshape_each, resize_label_image, tidy
from puzzlecell.segmentation.base import FieldImage, intensity
from puzzlecell.segmentation.cell_growth import _connected, _cut_outside, _nearest_nucleus
from puzzlecell.segmentation.classical import ClassicalSegmenter, find_nuclei
from puzzlecell.segmentation.cytoplasm import gaps
from puzzlecell.simulate.field import simulate_field

Field = tuple[np.ndarray, float, np.ndarray]
"""Image (H, W, 4), micrometres per pixel, label image of the truth."""


def before(image: np.ndarray, pixel_um: float, factor: float = 1.0) -> np.ndarray:
    """Segment cells as before, (H, W) uint16 labels, with `factor` x Otsu's threshold of the field."""
    settings, shape = ClassicalSettings(), image.shape[:2]
    coarser = max(1.0, settings.pixel_um / pixel_um)
    scaled = intensity(FieldImage("field", image, pixel_um))
    if coarser > 1:
        height, width = (round(side / coarser) for side in shape)
        scaled = cv2.resize(scaled, (width, height), interpolation=cv2.INTER_AREA)
    um = pixel_um * coarser
    nuclei = find_nuclei(scaled[..., 2], um, settings)
    if not nuclei.any():
        return np.zeros(shape, np.uint16)
    signal = mean_signal(scaled[..., 0], scaled[..., 3], 0.8 / um)
    outside = edt(nuclei == 0, black_border=False) * um
    mask = (signal > factor * threshold_otsu(signal)) & (outside <= settings.cell_reach_um)
    mask = fill_holes(mask | (outside <= settings.ring_um))
    depth = gaps(signal, settings.gap_um / um)
    cost = np.exp(-settings.signal_weight * signal) * (1 + settings.gap_weight * depth)
    cells = _nearest_nucleus(nuclei, cost, mask)
    _cut_outside(cells, nuclei, depth, settings.outside_gap, settings.outside_minimum_um2 / um**2)
    cells = reshape_each(cells, cv2.MORPH_OPEN, settings.border_smoothing_um / um)
    cells[nuclei > 0] = nuclei[nuclei > 0]
    cells = _connected(cells, nuclei)
    return tidy(resize_label_image(cells, shape), resize_label_image(nuclei, shape))[0]


def mean_signal(red: np.ndarray, yellow: np.ndarray, sigma: float) -> np.ndarray:
    """Return the mean of the square roots of red and yellow, each scaled to [0, 1] between two percentiles."""
    signal = np.zeros(red.shape, np.float32)
    for channel in (red, yellow):
        smooth = cv2.GaussianBlur(channel, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        low, high = np.percentile(smooth, [0.5, 99.5])
        if high - low > 1 / 255:
            signal += np.sqrt(np.clip((smooth - low) / (high - low), 0, 1)) / 2
    return signal


def now(image: np.ndarray, pixel_um: float) -> np.ndarray:
    """Segment cells with the default settings, (H, W) uint16 labels."""
    return ClassicalSegmenter(ClassicalSettings()).segment([FieldImage("field", image, pixel_um)])[0].cells


def only_nuclei(image: np.ndarray, pixel_um: float) -> np.ndarray:
    """Segment nuclei in an image of blue alone, (H, W) labels."""
    return find_nuclei(intensity(FieldImage("field", image, pixel_um)), pixel_um, ClassicalSettings())


def simulated(fields: int, dim_cells: float) -> list[Field]:
    """Simulated fields of the default size with their true cells."""
    settings = SimulationSettings(dim_cells=dim_cells)
    made = [simulate_field("segmentation", number, settings, seed=1) for number in range(fields)]
    return [(field.image, 0.64, field.cells) for field in made]


def real_fields(shared: Path) -> dict[str, list[Field]]:
    """Real fields with the cells that the HPA segmenter found, each under the start of its name."""
    paths = sorted((shared / "cell_masks").glob("*_predictedmask.png"))
    names = [path.name.removesuffix("_predictedmask.png") for path in paths]
    return {
        f"real field {name[:8]}": [(read_field(shared / "hpa_fields", name), 0.08, grey(path))]
        for name, path in zip(names, paths, strict=True)
    }


def drawn_nuclei(shared: Path) -> list[Field]:
    """Images of blue with hand-drawn nuclei, about 14 micrometres wide at this pixel size."""
    paths = sorted((shared / "nuclei_truth/images").iterdir())
    return [(grey(path), 0.32, grey(shared / "nuclei_truth/masks" / path.name)) for path in paths]


def grey(path: Path) -> np.ndarray:
    """Read an image; of a colour image, the brightest channel of each pixel."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return image if image.ndim == 2 else image.max(axis=-1)


def best_iou(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the largest IoU of each true object with any object found, (t,) float64."""
    truth = np.unique(truth, return_inverse=True)[1].reshape(truth.shape)
    both = np.zeros((int(found.max()) + 1, int(truth.max()) + 1))
    np.add.at(both, (found.ravel(), truth.ravel()), 1)
    union = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    return (both / np.maximum(union, 1))[1:, 1:].max(axis=0, initial=0)


def measure(method: Callable[[np.ndarray, float], np.ndarray], fields: list[Field]) -> str:
    """Return `matched of all, mean best IoU, CPU seconds per field` of one method."""
    seconds, overlaps = 0.0, []
    for image, pixel_um, truth in fields:
        start = time.process_time()
        found = method(image, pixel_um)
        seconds += time.process_time() - start
        overlaps.append(best_iou(found, truth))
    best = np.concatenate(overlaps)
    matched = f"{int((best > 0.6).sum())} of {len(best)}"
    return f"{matched:>12} | {best.mean():5.3f} | {seconds / len(fields):5.2f}"


def main() -> None:
    """Print one row for each set of fields."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--fields", type=int, default=20, help="simulated fields of each kind")
    parser.add_argument(
        "--factor", type=float, default=1.0, help="factor on the threshold of the version before"
    )
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    sets = {
        "simulated": simulated(arguments.fields, 0.0),
        "simulated, 6 of 10 cells dim": simulated(arguments.fields, 0.6),
    }
    if arguments.shared.is_dir():
        sets |= real_fields(arguments.shared)
    print(f"{'':28} | {'before':>12} |   IoU |     s | {'now':>12} |   IoU |     s")
    for name, fields in sets.items():
        earlier = measure(lambda image, um: before(image, um, arguments.factor), fields)
        print(f"{name:28} | {earlier} | {measure(now, fields)}", flush=True)
    if arguments.shared.is_dir():
        nuclei = measure(only_nuclei, drawn_nuclei(arguments.shared))
        print(f"{'hand-drawn nuclei':28} | {nuclei} | {nuclei}")


if __name__ == "__main__":
    main()
