"""Fields of view: four greyscale images, read as one array."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from puzzlecell.data.field_sources import FieldSource, named_source
from puzzlecell.data.image_file import Header, ImageError, read_header, read_plane
from puzzlecell.data.image_plane import ImagePlane
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.errors import UserError
from puzzlecell.runtime.bucket import is_url
from puzzlecell.runtime.bucket_files import FilesAtHand, at_hand

SAME_PIXEL_SIZE = 0.05
"""Relative difference up to which two pixel sizes count as the same."""


class FieldError(UserError):
    """A field cannot be read; the message says which file, what was found and what was expected."""


class Sources(Protocol):
    """Where the images of fields are, by ID: `FieldSources`, or a dict."""

    def __getitem__(self, field_id: str, /) -> FieldSource:
        """Where the images of a field are."""
        ...


Images = str | os.PathLike | Sources
"""Where the images of fields are; a path or URL is that of a folder of files with the default names."""


def source_of(images: Images, field_id: str) -> FieldSource:
    """Where the images of a field are."""
    return named_source(images, field_id) if isinstance(images, (str, os.PathLike)) else images[field_id]


def check_field(
    images: Images, field_id: str, *, max_megapixels: float | None = None
) -> tuple[Header | None, list[str]]:
    """Check the headers of a field's images; return what they have in common, and every problem.

    If the images differ, size, depth and kind are those of most of them; None if no image is readable. The pixel size
    is that of their metadata, None if they have none or contradict each other. Of images in a bucket, only the ends of
    the files are downloaded. max_megapixels: see `read_header`. Raises BucketError.
    """
    source = source_of(images, field_id)
    if not _urls(source):
        return _check_field(source, max_megapixels)
    with _at_hand(source, ends=True) as (here, named):
        header, problems = _check_field(here, max_megapixels)
    if problems:
        # Behind the end of an image there may be more data, and not every format has its header at one of the ends.
        with _at_hand(source) as (here, named):
            header, problems = _check_field(here, max_megapixels)
    return header, [named(problem) for problem in problems]


def read_field(images: Images, field_id: str, *, max_megapixels: float | None = None) -> np.ndarray:
    """Read a field as (H, W, 4) RGBY, uint8, uint16 or float32; see `read_field_and_header`."""
    return read_field_and_header(images, field_id, max_megapixels=max_megapixels)[0]


def read_field_and_header(
    images: Images, field_id: str, *, max_megapixels: float | None = None
) -> tuple[np.ndarray, Header]:
    """Read a field as (H, W, 4) RGBY, uint8, uint16 or float32, and what the headers of its images have in common.

    Each channel is a plane in memory; those without an image are 0. Takes 8 bytes of memory per pixel for 8 bit, 16 for
    16 bit. Raises BucketError, and FieldError naming every image that is missing, damaged, too large (see
    `read_header`) or of another size or bit depth than the others.
    """
    with _at_hand(source_of(images, field_id)) as (here, _):
        return _read_field(here, max_megapixels)


def _check_field(source: FieldSource, max_megapixels: float | None) -> tuple[Header | None, list[str]]:
    planes = _own_planes(source)
    headers: dict[str, Header] = {}
    found: dict[str, str] = {}
    for channel, plane in planes.items():
        try:
            headers[channel] = read_header(plane, max_megapixels=max_megapixels)
        except ImageError as error:
            found[channel] = str(error)
    problems = [source.problem] if source.problem else []
    if not headers:
        return None, problems + _together(planes, found)
    problems += found.values()

    def different(value: Callable[[Header], object], what: str, expected: str) -> Header:
        """Add a problem for each channel whose value is not the commonest; return a header with that value."""
        commonest = Counter(map(value, headers.values())).most_common(1)[0][0]
        like, header = next((name, one) for name, one in headers.items() if value(one) == commonest)
        problems.extend(
            f"{planes[channel]}: {what.format(one)}, but {like} has "
            f"{what.format(header)}; all four channels must have the same {expected}"
            for channel, one in headers.items()
            if value(one) != commonest
        )
        return header

    sized = different(lambda header: (header.height, header.width), "{0.width} x {0.height} pixels", "size")
    deep = different(
        lambda header: (header.bit_depth, header.kind), "{0.bit_depth} bits per pixel", "bit depth"
    )
    um, remark = _pixel_size(headers)
    notes = dict.fromkeys(filter(None, [*(header.note for header in headers.values()), remark]))
    common = replace(deep, height=sized.height, width=sized.width)
    return replace(common, pixel_size_um=um, note="; ".join(notes) or None), problems


def _pixel_size(headers: dict[str, Header]) -> tuple[float | None, str | None]:
    """Pixel size that the headers of a field agree on, and a remark if they do not."""
    sizes = {channel: header.pixel_size_um for channel, header in headers.items() if header.pixel_size_um}
    if not sizes:
        return None, None
    low, high = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    if sizes[high] > sizes[low] * (1 + SAME_PIXEL_SIZE):
        text = f"{low} {sizes[low]:.4g} and {high} {sizes[high]:.4g} um"
        return None, f"channels with unlike pixel sizes in their metadata, which are not used ({text})"
    return next(iter(sizes.values())), None


def _own_planes(source: FieldSource) -> dict[str, ImagePlane]:
    """Images by channel, each once."""
    found: dict[ImagePlane, str] = {}
    for channel, plane in zip(CHANNELS, source.planes, strict=True):
        if plane is not None:
            found.setdefault(plane, channel)
    return {channel: plane for plane, channel in found.items()}


def _together(planes: dict[str, ImagePlane], problems: dict[str, str]) -> list[str]:
    """Return one message in place of several if all channels have the same problem, as for `x_{red,green}.png`."""
    reasons = {problems[channel].removeprefix(f"{plane}: ") for channel, plane in planes.items()}
    paths = list(dict.fromkeys(map(str, planes.values())))
    if len(reasons) > 1 or not reasons:
        return list(problems.values())
    return [f"{_joined(paths)}: {reasons.pop()}"]


def _joined(paths: Sequence[str]) -> str:
    """Paths that differ in one part, with braces around it."""
    if len(paths) == 1:
        return paths[0]
    start = _common_start(paths)
    end = _common_start([path[len(start) :][::-1] for path in paths])[::-1]
    return f"{start}{{{','.join(path[len(start) : len(path) - len(end)] for path in paths)}}}{end}"


def _common_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    same = next((place for place, sign in enumerate(first) if sign != last[place]), len(first))
    return first[:same]


def _read_field(source: FieldSource, max_megapixels: float | None) -> tuple[np.ndarray, Header]:
    header, problems = _check_field(source, max_megapixels)
    if header is None or problems:
        raise FieldError("; ".join(problems))
    dtype = np.float32 if header.kind == "float" else np.uint16 if header.bit_depth > 8 else np.uint8
    black = None in source.planes
    planes = (np.zeros if black else np.empty)((len(CHANNELS), header.height, header.width), dtype)
    field = np.moveaxis(planes, 0, -1)
    for plane in _own_planes(source).values():
        try:
            image = read_plane(plane, max_megapixels=max_megapixels)
        except ImageError as error:
            problems.append(str(error))
            continue
        if image.shape != field.shape[:2] or image.dtype != dtype:
            raise FieldError(f"{plane}: changed while the field was read; start again")
        for number, other in enumerate(source.planes):
            if other == plane:
                field[..., number] = image
    if problems:
        raise FieldError("; ".join(problems))
    return field, header


def _urls(source: FieldSource) -> list[str]:
    return list(
        dict.fromkeys(plane.path for plane in source.planes if plane is not None and is_url(plane.path))
    )


@contextmanager
def _at_hand(
    source: FieldSource, *, ends: bool = False
) -> Iterator[tuple[FieldSource, Callable[[str], str]]]:
    """Provide the images of a field on this machine: the source with local paths, and messages with their own names."""
    folders: dict[str, list[str]] = {}
    for url in _urls(source):
        folder, _, name = url.rpartition("/")
        folders.setdefault(folder, []).append(name)
    with ExitStack() as stack:
        files: dict[str, FilesAtHand] = {
            folder: stack.enter_context(at_hand(folder, names, ends=ends))
            for folder, names in folders.items()
        }

        def local(plane: ImagePlane | None) -> ImagePlane | None:
            if plane is None or not is_url(plane.path):
                return plane
            folder, _, name = plane.path.rpartition("/")
            return replace(plane, path=str(Path(files[folder].folder, name)))

        def named(text: str) -> str:
            for each in files.values():
                text = each.named(text)
            return text

        yield replace(source, planes=tuple(map(local, source.planes))), named
