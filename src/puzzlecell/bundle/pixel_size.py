"""The pixel size of images: given, from their table or metadata, or that of the training fields."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from puzzlecell.bundle.differences import Sampled
from puzzlecell.bundle.images import OwnImages
from puzzlecell.data.fields import SAME_PIXEL_SIZE
from puzzlecell.errors import UserError


@dataclass(frozen=True)
class PixelSize:
    """What is known, in micrometres.

    configured: for `datasets.<ds>.pixel_size_um`; None leaves it to the table of images or to the metadata.
    of_sampled: of the sampled fields, by ID. shown: in words. warning: what contradicts it.
    """

    configured: float | None
    of_sampled: Mapping[str, float]
    shown: str
    warning: str | None = None


def pixel_size(
    given: float | None, images: OwnImages, sampled: Sampled, trained: Sequence[float]
) -> PixelSize:
    """Decide on the pixel size. given: by the user. trained: those of the training fields, as far as they are known.

    Raises UserError if it is not known for some of the fields, and if `given` contradicts a complete table of images.
    """
    stated = images.stated_um
    rest = [field_id for field_id in images.sources.ids if field_id not in stated]
    if stated and not rest:
        if given is not None and {given} != set(stated.values()):
            raise UserError(
                f"--pixel-size: {images.where} has a column pixel_size_um, which goes before it; leave out one of them"
            )
        return PixelSize(None, stated, f"{_range(stated.values())} um, from {images.where.name}")
    of_metadata = {
        field_id: header.pixel_size_um
        for field_id, header in sampled.headers.items()
        if field_id not in stated and header.pixel_size_um
    }
    looked_at = [field_id for field_id in sampled.headers if field_id not in stated]
    others = (
        f"; {_range(stated.values())} um for {len(stated)} fields in {images.where.name}" if stated else ""
    )
    if given is not None:
        compared = (
            f"; the training fields had {_words(trained)} um" if trained and set(trained) != {given} else ""
        )
        return PixelSize(
            given,
            {**dict.fromkeys(sampled.headers, given), **stated},
            f"{given:g} um, as given{others}{compared}",
            _contradiction(given, of_metadata),
        )
    if of_metadata and len(of_metadata) < len(looked_at):
        without = next(field_id for field_id in looked_at if field_id not in of_metadata)
        raise UserError(
            "--pixel-size: needed, because the metadata of some images has one "
            f"({_range(of_metadata.values())} um) and that of others has none, such as field {without}"
        )
    if of_metadata:
        # One for all is written down, so that it also holds for fields whose headers were not looked at.
        distinct = {float(f"{size:.4g}") for size in of_metadata.values()}
        return PixelSize(
            distinct.pop() if len(distinct) == 1 else None,
            {**of_metadata, **stated},
            f"{_range(of_metadata.values())} um, from the metadata of the images{others}",
        )
    if len(trained) != 1:
        known = (
            f"the training fields had {_words(trained)} um"
            if trained
            else "that of the training fields is not known"
        )
        raise UserError(
            f"--pixel-size: needed, because {known}; give the size of a pixel of your images in um"
        )
    return PixelSize(
        trained[0],
        {**dict.fromkeys(sampled.headers, trained[0]), **stated},
        f"{trained[0]:g} um, assumed: that of the training fields; give --pixel-size if yours is another{others}",
    )


def _contradiction(given: float, of_metadata: Mapping[str, float]) -> str | None:
    far = [
        size for size in of_metadata.values() if max(size, given) > min(size, given) * (1 + SAME_PIXEL_SIZE)
    ]
    if not far:
        return None
    return f"pixel size: {given:g} um is given, but the metadata of the images says {_range(far)} um"


def _range(values: Collection[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.4g}" if high == low else f"{low:.4g} to {high:.4g}"


def _words(values: Sequence[float]) -> str:
    return " and ".join(f"{value:g}" for value in values)
