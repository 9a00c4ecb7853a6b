"""The official HPA segmenter: two DPN-92 U-Nets (nuclei from blue; cells from red, yellow and blue), then labelling.

Inputs and padding are those of the package hpacellseg (CellProfiling/HPA-Cell-Segmentation).
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import torch

from puzzlecell.config.labelling import LabellingSettings
from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.segmenters import HpaDpnSettings
from puzzlecell.data.label_images import resize_label_image, tidy
from puzzlecell.network.backbone import NetworkError
from puzzlecell.network.foreign_weights import read_safetensors
from puzzlecell.network.memory import channels_last
from puzzlecell.runtime.threads import limited_threads
from puzzlecell.segmentation.base import (
    FieldImage,
    Resources,
    SegmentedField,
    Segmenter,
    intensity,
    reason_if_empty,
)
from puzzlecell.segmentation.hpa_labelling import label_cells
from puzzlecell.segmentation.hpa_pickle import WeightsError
from puzzlecell.segmentation.hpa_unet import SIDES_DIVIDE_BY, HpaUnet
from puzzlecell.segmentation.hpa_weights import check_sum
from puzzlecell.segmentation.requirements import missing_converted


class HpaDpnSegmenter(Segmenter):
    """Runs the HPA's networks for nuclei and cells on a device; labels the fields in parallel threads."""

    def __init__(
        self,
        settings: HpaDpnSettings,
        labelling: LabellingSettings,
        threads: int = 1,
        device: str = "cpu",
        networks: tuple[torch.nn.Module, torch.nn.Module] | None = None,
    ):
        """Load both networks.

        networks: those for nuclei and for cells; None reads the weights that the settings name. Raises WeightsError
        if a file is missing or damaged.
        """
        self.settings, self.labelling = settings, labelling
        self.threads, self.device = threads, torch.device(device)
        if networks is None:
            networks = (
                load_hpa_network(settings.nuclei_weights, "nuclei"),
                load_hpa_network(settings.cell_weights, "cell"),
            )
        self.nuclei_network, self.cell_network = (
            channels_last(network.eval().to(self.device)) for network in networks
        )

    def segment(self, fields: Sequence[FieldImage]) -> list[SegmentedField]:
        """Return the label images of each field, in the order given."""
        with ThreadPoolExecutor(self.threads) as pool:
            # The networks predict the next batch while the previous one is being labelled.
            waiting = [
                pool.submit(self._label, field, *found)
                for field, found in zip(fields, self._probabilities(fields), strict=True)
            ]
            return [job.result() for job in waiting]

    def probabilities(self, field: FieldImage) -> tuple[np.ndarray, np.ndarray]:
        """Return the softmax (times 255) for nuclei and for cells at the networks' pixel size, both (h, w, 3) uint8."""
        return next(self._probabilities([field]))

    def _probabilities(self, fields: Sequence[FieldImage]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        prepared = (self._prepare(field) for field in fields)
        for _, group in groupby(prepared, key=lambda entry: entry[0].shape):
            same_size = list(group)
            for first in range(0, len(same_size), self.settings.batch):
                batch = same_size[first : first + self.settings.batch]
                images = torch.from_numpy(np.stack([image for image, _ in batch])).to(self.device)
                red, _, blue, yellow = images.unbind(-1)
                nuclei = self._softmax(self.nuclei_network, torch.stack([blue, blue, blue], 1))
                cells = self._softmax(self.cell_network, torch.stack([red, yellow, blue], 1))
                for (_, (height, width)), of_nuclei, of_cells in zip(batch, nuclei, cells, strict=True):
                    window = np.s_[
                        SIDES_DIVIDE_BY : SIDES_DIVIDE_BY + height, SIDES_DIVIDE_BY : SIDES_DIVIDE_BY + width
                    ]
                    yield np.ascontiguousarray(of_nuclei[window]), np.ascontiguousarray(of_cells[window])

    def _prepare(self, field: FieldImage) -> tuple[np.ndarray, tuple[int, int]]:
        """Return a field at the networks' pixel size, padded, float32 in [0, 1], and its unpadded (height, width)."""
        image = shrink(intensity(field), field.pixel_um / self.settings.pixel_um)
        after = [SIDES_DIVIDE_BY - side % SIDES_DIVIDE_BY for side in image.shape[:2]]
        padded = cv2.copyMakeBorder(
            image, SIDES_DIVIDE_BY, after[0], SIDES_DIVIDE_BY, after[1], cv2.BORDER_REFLECT
        )
        return padded, image.shape[:2]

    def _softmax(self, network: torch.nn.Module, images: torch.Tensor) -> np.ndarray:
        mixed = self.settings.mixed_precision
        if mixed is None:
            mixed = self.device.type == "cuda"
        with (
            limited_threads(self.threads),
            torch.inference_mode(),
            torch.autocast(self.device.type, enabled=mixed),
        ):
            logits = network(images.contiguous(memory_format=torch.channels_last)).float()
        found = torch.round(255 * torch.softmax(logits, 1)).to(torch.uint8)
        return found.permute(0, 2, 3, 1).cpu().numpy()

    def _label(self, field: FieldImage, nuclei: np.ndarray, cells: np.ndarray) -> SegmentedField:
        shape = field.image.shape[:2]
        pixel_um = self.settings.pixel_um
        if self.settings.label_at == "field" and nuclei.shape[:2] != shape:
            wanted = shape[::-1] if self.labelling.faults.sizes_swapped else shape
            nuclei, cells = (
                cv2.resize(found, wanted[::-1], interpolation=cv2.INTER_AREA) for found in (nuclei, cells)
            )
            pixel_um = field.pixel_um
        labels = label_cells(nuclei, cells, pixel_um, self.labelling)
        if labels[0].shape != shape:
            labels = tidy(*(resize_label_image(entry, shape) for entry in labels))
        return SegmentedField(*labels, reason_if_empty(nuclei, labels[0], self.labelling))


def make_segmenter(settings: SegmentationSettings, resources: Resources) -> HpaDpnSegmenter:
    """Return the segmenter for these settings; raises WeightsError if its weights are missing or damaged."""
    return HpaDpnSegmenter(settings.hpa_dpn, settings.labelling, resources.threads, resources.device)


def shrink(image: np.ndarray, scale: float) -> np.ndarray:
    """Rescale an (H, W, C) float32 image by the factor `scale`, with anti-aliasing.

    As in skimage.transform.rescale: a Gaussian of sigma (f - 1) / 2 along an axis that shrinks by the factor f, with
    reflected borders, then bilinear interpolation between pixel centres.
    """
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    if (height, width) == image.shape[:2]:
        return image
    sigma_y, sigma_x = (
        max(0.0, (before / after - 1) / 2)
        for before, after in zip(image.shape, (height, width), strict=False)
    )
    if sigma_y > 0 or sigma_x > 0:
        size = tuple(2 * int(4 * sigma + 0.5) + 1 for sigma in (sigma_x, sigma_y))
        # OpenCV replaces a sigma of 0 by a default; one this small leaves the axis unchanged.
        image = cv2.GaussianBlur(
            image, size, max(sigma_x, 1e-6), sigmaY=max(sigma_y, 1e-6), borderType=cv2.BORDER_REFLECT_101
        )
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def load_hpa_network(path: str | Path, kind: str) -> HpaUnet:
    """Return the network for `nuclei` or `cell` with converted weights; raises WeightsError if they cannot be used."""
    if not Path(path).is_file():
        raise WeightsError(missing_converted(path, kind))
    check_sum(path)
    with torch.device("meta"):
        network = HpaUnet()
    network.mean = HpaUnet.channel_means()
    try:
        tensors = read_safetensors(path)
    except NetworkError as error:
        raise WeightsError(str(error)) from error
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if {name: tensor.shape for name, tensor in tensors.items()} != shapes:
        raise WeightsError(
            f"{path}: not written by `puzzlecell convert-segmenter` for this network; convert the weights again"
        )
    network.load_state_dict(tensors, assign=True)
    return network
