"""Fields of view: four greyscale images, read as one array."""

import os
from collections import Counter
from collections.abc import Callable

import numpy as np

from puzzlecell.data.image_file import Header, ImageError, read_header, read_plane
from puzzlecell.data.image_plane import ImagePlane
from puzzlecell.data.raw_files import CHANNELS, channel_names, channel_path
from puzzlecell.errors import UserError
from puzzlecell.runtime.bucket import is_url
from puzzlecell.runtime.bucket_files import at_hand


class FieldError(UserError):
    """A field cannot be read; the message says which file, what was found and what was expected."""


def check_field(
    folder: str | os.PathLike, field_id: str, *, max_megapixels: float | None = None
) -> tuple[Header | None, list[str]]:
    """Check the headers of a field's four files; return their common size and bit depth, and every problem.

    If the files differ, size and depth are those of most files; None if no file is readable. folder: also a URL in a
    bucket, of which only the ends of the files are downloaded. max_megapixels: see `read_header`. Raises BucketError.
    """
    if not is_url(folder):
        return _check_field(folder, field_id, max_megapixels)
    names = channel_names(field_id)
    with at_hand(folder, names, ends=True) as files:
        header, problems = _check_field(files.folder, field_id, max_megapixels)
    if problems:
        # Behind the end of a PNG there may be more data.
        with at_hand(folder, names) as files:
            header, problems = _check_field(files.folder, field_id, max_megapixels)
    return header, [files.named(problem) for problem in problems]


def _check_field(
    folder: str | os.PathLike, field_id: str, max_megapixels: float | None
) -> tuple[Header | None, list[str]]:
    headers: dict[str, Header] = {}
    problems = []
    for channel in CHANNELS:
        try:
            headers[channel] = read_header(
                ImagePlane(str(channel_path(folder, field_id, channel))), max_megapixels=max_megapixels
            )
        except ImageError as error:
            problems.append(str(error))
    if not headers:
        return None, _together(folder, field_id, problems)

    def different(value: Callable[[Header], object], what: str, expected: str) -> Header:
        """Add a problem for each channel whose value is not the commonest; return a header with that value."""
        commonest = Counter(map(value, headers.values())).most_common(1)[0][0]
        like, header = next((name, found) for name, found in headers.items() if value(found) == commonest)
        problems.extend(
            f"{channel_path(folder, field_id, channel)}: {what.format(found)}, but {like} has "
            f"{what.format(header)}; all four channels must have the same {expected}"
            for channel, found in headers.items()
            if value(found) != commonest
        )
        return header

    sized = different(lambda header: (header.height, header.width), "{0.width} x {0.height} pixels", "size")
    deep = different(lambda header: header.bit_depth, "{0.bit_depth} bits per pixel", "bit depth")
    note = next((header.note for header in headers.values() if header.note), None)
    return Header(sized.height, sized.width, deep.bit_depth, deep.kind, note=note), problems


def _together(folder: str | os.PathLike, field_id: str, problems: list[str]) -> list[str]:
    """Return one message in place of four if all channels have the same problem."""
    paths = [channel_path(folder, field_id, channel) for channel in CHANNELS]
    reasons = {problem.removeprefix(f"{path}: ") for path, problem in zip(paths, problems, strict=True)}
    if len(reasons) > 1:
        return problems
    return [f"{channel_path(folder, field_id, '{' + ','.join(CHANNELS) + '}')}: {reasons.pop()}"]


def read_field(
    folder: str | os.PathLike, field_id: str, *, max_megapixels: float | None = None
) -> np.ndarray:
    """Read a field as (H, W, 4) RGBY, uint8, uint16 or float32. folder: also a URL in a bucket.

    Raises BucketError, and FieldError naming every file that is missing, damaged, too large (see `read_header`) or of
    another size or bit depth than the others. Takes 8 bytes of memory per pixel for 8 bit, 16 for 16 bit.
    """
    return read_noted_field(folder, field_id, max_megapixels=max_megapixels)[0]


def read_noted_field(
    folder: str | os.PathLike, field_id: str, *, max_megapixels: float | None = None
) -> tuple[np.ndarray, str | None]:
    """As `read_field`, with the note on how unusual files of the field are read (`Header.note`), or None."""
    with at_hand(folder, channel_names(field_id)) as files:
        return _read_field(files.folder, field_id, max_megapixels)


def _read_field(
    folder: str | os.PathLike, field_id: str, max_megapixels: float | None
) -> tuple[np.ndarray, str | None]:
    header, problems = _check_field(folder, field_id, max_megapixels)
    if header is None or problems:
        raise FieldError("; ".join(problems))
    dtype = {8: np.uint8, 16: np.uint16, 32: np.float32}[header.bit_depth]
    field = np.empty((header.height, header.width, len(CHANNELS)), dtype)
    for number, channel in enumerate(CHANNELS):
        path = channel_path(folder, field_id, channel)
        try:
            image = read_plane(ImagePlane(str(path)), max_megapixels=max_megapixels)
        except ImageError as error:
            problems.append(str(error))
            continue
        if image.shape != field.shape[:2] or image.dtype != dtype:
            raise FieldError(f"{path}: changed while the field was read; start again")
        field[..., number] = image
    if problems:
        raise FieldError("; ".join(problems))
    return field, header.note
