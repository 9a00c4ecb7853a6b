"""A small store, its label images and small networks, for the tests of step 1 and step 2."""

import cv2
import numpy as np
import torch

from puzzlecell.config.network import NetworkSettings
from puzzlecell.data.store import write_shard
from puzzlecell.network.cam_network import CamNetwork, save_network

CLASSES = ["a", "b", "c", "Negative"]
SIZE, MASK = 96, 72


def labels(cells: int, seed: int) -> np.ndarray:
    """Label image (MASK, MASK) uint16 of up to `cells` Voronoi cells; number 3 is skipped."""
    random = np.random.default_rng(seed)
    image = np.zeros((MASK, MASK), np.uint16)
    if cells:
        points = random.uniform(0, MASK, (cells, 2))
        rows, columns = np.mgrid[:MASK, :MASK]
        distance = np.stack([np.hypot(rows - y, columns - x) for y, x in points])
        image[:] = distance.argmin(0) + 1
        image[image >= 3] += 1
        image[distance.min(0) > 18] = 0
    return image


def write_data(folder, fields=5, name="000", first=0):
    """Write the store and masks of some fields and return both paths.

    Field 2 has no cells, field 3 has a single cell of one pixel.
    """
    random = np.random.default_rng(first)
    ids = [f"field{number}" for number in range(first, first + fields)]
    coarse = random.integers(0, 256, (fields, SIZE // 16, SIZE // 16, 4), np.uint8)
    images = np.stack([cv2.resize(one, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) for one in coarse])
    masks = np.stack([labels(0 if first + n == 2 else 4, first + n) for n in range(fields)])
    if fields > 3:
        masks[3] = 0
        masks[3, 40, 20] = 7
    limits = {"low": np.zeros((fields, 4), np.float32), "high": np.full((fields, 4), 65535, np.float32)}
    sizes = {"height": np.full(fields, 2 * SIZE), "width": np.full(fields, 2 * SIZE)}
    store, mask_path = folder / f"{name}.h5", folder / f"{name}.masks.h5"
    write_shard(store, ids, {"images": images, **sizes, **limits}, {})
    write_shard(mask_path, ids, {"cells": masks, "nuclei": masks, **sizes}, {})
    return store, mask_path


def write_network(path, seed=0, *, field_size=64, crop_size=32, stride=16, weight=0.5):
    torch.manual_seed(seed)
    settings = NetworkSettings(backbone="test_resnet", pretrained=False, output_stride=stride)
    network = CamNetwork(settings, CLASSES, field_size, crop_size)
    with torch.no_grad():
        network.classifier.weight *= weight
    save_network(path, network)
    return path
