"""A field as OME-Zarr: the image as a pyramid, with label images of its cells and nuclei.

https://ngff.openmicroscopy.org: version 0.4 in Zarr 2, version 0.5 in Zarr 3. Needs the package zarr.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd

from puzzlecell.data.label_images import resize_labels
from puzzlecell.formats.class_colours import Rgb

if TYPE_CHECKING:
    import zarr

CHANNELS = {
    "microtubules": "FF0000",
    "protein": "00FF00",
    "nuclei": "0000FF",
    "endoplasmic reticulum": "FFFF00",
}
"""What the channels show, and their colours."""
SMALLEST = 256
"""The pyramid ends with the first level whose longer side is not above this."""
CHUNK = 1024
DARK, BRIGHT = 0.1, 99.8
"""Percentiles of a channel that are shown as black and as the full colour."""


@dataclass(frozen=True)
class FieldImage:
    """The image that is written. pixels: (H, W, 4) RGBY. pixel_size_um: of these pixels, (y, x).

    attributes: what is said of it, under the key `puzzlecell`.
    """

    name: str
    pixels: np.ndarray
    pixel_size_um: tuple[float, float]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class FieldLabels:
    """Label images of a field, any size. properties: per label; colours: of labels whose class is known."""

    images: Mapping[str, np.ndarray]
    properties: Sequence[Mapping[str, Any]]
    colours: Mapping[int, Rgb]


def write_ome_zarr(path: str | os.PathLike, image: FieldImage, labels: FieldLabels, version: str) -> None:
    """Write a folder with the image (axes c, y, x) and `labels/<name>` (y, x); a folder that is there is replaced.

    Label images get the size of the image by nearest-neighbour interpolation. version: `0.4` or `0.5`.
    """
    import zarr

    path = Path(path)
    if path.exists():
        shutil.rmtree(path)
    root = zarr.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)
    channels = np.ascontiguousarray(np.moveaxis(image.pixels, -1, 0))
    size_um = image.pixel_size_um
    described = _written(root, _image_levels(channels), ("c", "y", "x"), size_um, name=image.name)
    omero = {"name": image.name, "channels": _channels(channels), "rdefs": {"model": "color"}}
    _describe(
        root, version, {"multiscales": [described], "omero": omero}, {"puzzlecell": dict(image.attributes)}
    )
    of_labels = root.create_group("labels")
    _describe(of_labels, version, {"labels": list(labels.images)})
    for name, given in labels.images.items():
        group = of_labels.create_group(name)
        pixels = resize_labels(given, *channels.shape[1:])
        described = _written(group, _label_levels(pixels), ("y", "x"), size_um, name=name)
        there = set(np.unique(pixels).tolist())
        shown = {
            "colors": [
                {"label-value": number, "rgba": [*colour, 255]}
                for number, colour in sorted(labels.colours.items())
                if number in there
            ],
            "properties": [entry for entry in labels.properties if entry["label-value"] in there],
            "source": {"image": "../../"},
        }
        _describe(group, version, {"multiscales": [described], "image-label": shown})


def label_facts(
    cells: pd.DataFrame, names: Sequence[str | None], colours: Mapping[str, Rgb], columns: Sequence[str]
) -> tuple[list[dict[str, Any]], dict[int, Rgb]]:
    """Properties and colours of the labels of a field. cells: rows of the table of cells.

    names: most probable class of each. columns: further columns that become properties.
    """
    properties = []
    for row, name in zip(cells[["cell", *columns]].to_dict("records"), names, strict=True):
        of_class = {} if name is None else {"class": name}
        properties.append({"label-value": row["cell"], **of_class, **{key: row[key] for key in columns}})
    found = {
        int(number): colours[name]
        for number, name in zip(cells["cell"].tolist(), names, strict=True)
        if name is not None
    }
    return properties, found


def _written(
    group: "zarr.Group",
    levels: Sequence[np.ndarray],
    axes: Sequence[str],
    size_um: tuple[float, float],
    *,
    name: str,
) -> dict[str, Any]:
    """Write the levels of a pyramid; return the entry of `multiscales` that describes them."""
    from zarr.codecs import BloscCodec

    datasets = []
    for level, pixels in enumerate(levels):
        third = group.metadata.zarr_format == 3
        array = group.create_array(
            str(level),
            shape=pixels.shape,
            dtype=pixels.dtype,
            chunks=tuple(
                1 if axis == "c" else min(CHUNK, side) for axis, side in zip(axes, pixels.shape, strict=True)
            ),
            compressors=BloscCodec(cname="zstd", clevel=3, shuffle="shuffle") if third else _blosc(),
            chunk_key_encoding={"name": "default" if third else "v2", "separator": "/"},
            dimension_names=list(axes) if third else None,
            fill_value=0,
        )
        array[...] = pixels
        full, small = levels[0].shape[-2:], pixels.shape[-2:]
        scale = [um * (there / here) for um, there, here in zip(size_um, full, small, strict=True)]
        transform = {"type": "scale", "scale": [*([1.0] if "c" in axes else []), *scale]}
        datasets.append({"path": str(level), "coordinateTransformations": [transform]})
    spatial = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in axes if axis != "c"]
    channel = [{"name": "c", "type": "channel"}] if "c" in axes else []
    return {"name": name, "axes": [*channel, *spatial], "datasets": datasets}


def _describe(
    group: "zarr.Group",
    version: str,
    attributes: Mapping[str, Any],
    own: Mapping[str, Any] | None = None,
) -> None:
    """Set the attributes of a group as the version of OME-Zarr has them. own: further ones, outside the standard."""
    if version == "0.4":
        found = dict(attributes)
        if "multiscales" in found:
            found["multiscales"] = [{"version": version, **entry} for entry in found["multiscales"]]
        for key in ("omero", "image-label"):
            if key in found:
                found[key] = {"version": version, **found[key]}
    else:
        found = {"ome": {"version": version, **attributes}}
    group.attrs.update({**found, **(own or {})})


def _blosc() -> Any:
    from numcodecs import Blosc

    return Blosc(cname="zstd", clevel=3, shuffle=Blosc.SHUFFLE)


def _channels(pixels: np.ndarray) -> list[dict[str, Any]]:
    """How each channel of the image (4, H, W) is to be shown."""
    found = []
    for plane, (label, colour) in zip(pixels, CHANNELS.items(), strict=True):
        start, end = np.percentile(plane, [DARK, BRIGHT]).tolist()
        least, most = (
            (0, int(np.iinfo(plane.dtype).max))
            if plane.dtype.kind == "u"
            else (float(plane.min()), float(plane.max()))
        )
        # A channel that is the same everywhere still needs two ends.
        window = {
            "min": least,
            "max": most if most > least else least + 1,
            "start": start,
            "end": max(end, start + 1e-6) if plane.dtype.kind == "f" else max(end, start + 1),
        }
        found.append({"label": label, "color": colour, "active": True, "window": window})
    return found


def _image_levels(pixels: np.ndarray) -> list[np.ndarray]:
    """The image (4, H, W) and copies of half the size each time: means of 2 x 2 pixels."""
    levels = [pixels]
    while max(levels[-1].shape[1:]) > SMALLEST:
        height, width = (-(-side // 2) for side in levels[-1].shape[1:])
        levels.append(
            np.stack([cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA) for p in levels[-1]])
        )
    return levels


def _label_levels(pixels: np.ndarray) -> list[np.ndarray]:
    """A label image (H, W) and copies of half the size each time: no new labels are made up."""
    levels = [pixels]
    while max(levels[-1].shape) > SMALLEST:
        levels.append(resize_labels(levels[-1], *(-(-side // 2) for side in levels[-1].shape)))
    return levels
