"""Which page of a TIFF is meant, and which of its channels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from puzzlecell.data.image_errors import ImageError
from puzzlecell.data.image_plane import ImagePlane

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage, TiffPageSeries

AXES = {
    "Z": "planes along z",
    "T": "points in time",
    "C": "channels",
    "S": "samples per pixel",
    "I": "pages",
    "Q": "pages",
    "R": "tiles or regions",
    "P": "positions",
    "M": "mosaic tiles",
    "A": "angles",
    "L": "exposures",
    "H": "lifetimes",
    "E": "wavelengths",
}
NAME_PAGE = "name the page that is meant (page 0 is the first)"


@dataclass(frozen=True)
class Chosen:
    """A page, and the number of a sample in it; sample None: the page has one, or is grey or colour."""

    page: "TiffPage"
    sample: int | None


def choose_page(tiff: "TiffFile", plane: ImagePlane) -> Chosen:
    """Find the page and the sample that a plane means; raises ImageError if it is not clear, or there is none."""
    if plane.page is not None:
        if plane.page >= len(tiff.pages):
            raise ImageError(
                f"{plane}: there is no page {plane.page}; the file has {len(tiff.pages)} (numbered from 0)"
            )
        return Chosen(_whole(tiff, plane.page), _sample(_whole(tiff, plane.page), plane))
    series = _only_series(tiff, plane)
    more = {axis: size for axis, size in zip(series.axes, series.shape, strict=True) if axis not in "YX"}
    more = {axis: size for axis, size in more.items() if size > 1}
    if set(more) <= {"S"}:
        page = _page_of(tiff, series, 0, plane)
        return Chosen(page, _sample(page, plane))
    if set(more) != {"C"}:
        found = ", ".join(f"{size} {AXES.get(axis, f'along axis {axis}')}" for axis, size in more.items())
        raise ImageError(f"{plane}: holds {found}; expected a single image: {NAME_PAGE}")
    channels = more["C"]
    if plane.channel is None:
        raise ImageError(
            f"{plane}: has {channels} channels; name the one that is meant (channel 0 is the first)"
        )
    if plane.channel >= channels:
        raise ImageError(
            f"{plane}: there is no channel {plane.channel}; the image has {channels} (numbered from 0)"
        )
    if len(series.pages) == channels:
        return Chosen(_page_of(tiff, series, plane.channel, plane), None)
    page = _page_of(tiff, series, 0, plane)
    if len(series.pages) == 1 and page.samplesperpixel == channels:
        return Chosen(page, plane.channel)
    raise ImageError(
        f"{plane}: its {channels} channels have {len(series.pages)} pages; save it with a page for each channel"
    )


def _only_series(tiff: "TiffFile", plane: ImagePlane) -> "TiffPageSeries":
    """Return the only image of the file that is not a smaller copy or a mask."""
    series = [one for one in tiff.series if not (one.keyframe.is_reduced or one.keyframe.is_mask)]
    if len(series) != 1:
        sizes = ", ".join("x".join(map(str, one.shape)) + f" ({one.axes})" for one in series[:4])
        raise ImageError(f"{plane}: holds {len(series)} images: {sizes or 'none'}; {NAME_PAGE}")
    described, pages = len(series[0].pages), len(tiff.pages)
    if pages > described:
        whole = [_whole(tiff, number) for number in range(pages)]
        pages = sum(not (page.is_reduced or page.is_mask) for page in whole)
    if pages > described and not series[0].is_multifile:
        raise ImageError(
            f"{plane}: the file has {pages} pages, but its metadata describe {described}; {NAME_PAGE}"
        )
    return series[0]


def _page_of(tiff: "TiffFile", series: "TiffPageSeries", number: int, plane: ImagePlane) -> "TiffPage":
    page = series.pages[number]
    if page is None or page.parent is not tiff:
        raise ImageError(f"{plane}: the image is not in this file, although its metadata name it")
    return _whole(tiff, page.index)


def _whole(tiff: "TiffFile", number: int) -> "TiffPage":
    """Return a page with all its tags, not those of the first page of its series."""
    return tiff.pages[number].aspage()


def _sample(page: "TiffPage", plane: ImagePlane) -> int | None:
    """Return the number of the sample that a plane means in a page."""
    samples = page.samplesperpixel
    if plane.channel is not None and plane.channel >= samples:
        raise ImageError(
            f"{plane}: there is no channel {plane.channel}; the image has {samples} (numbered from 0)"
        )
    if plane.channel is None and samples > 1 and not is_colour(page):
        raise ImageError(
            f"{plane}: has {samples} channels; name the one that is meant (channel 0 is the first)"
        )
    return plane.channel if samples > 1 else None


def is_colour(page: "TiffPage") -> bool:
    """Whether the samples of a page are the colours of one picture: RGB, RGBA, or YCbCr inside JPEG."""
    return page.photometric in (2, 6) and page.samplesperpixel in (3, 4)
