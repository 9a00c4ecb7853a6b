"""Where a single greyscale image is: in which file, and in which part of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImagePlane:
    """One greyscale image of H x W pixels: a whole file, a page of a TIFF, or a channel of an image.

    path: of the file; also a URL in a bucket. page: page (IFD) of a TIFF, counted from 0; None: the file has one page.
    channel: channel of a multi-channel image, counted from 0 in the order of the file; None: the image has one channel.
    """

    path: str
    page: int | None = None
    channel: int | None = None

    def __str__(self) -> str:
        """Path, with page and channel where they are given: how messages name the image."""
        parts = [f"page {self.page}"] if self.page is not None else []
        parts += [f"channel {self.channel}"] if self.channel is not None else []
        return f"{self.path} ({', '.join(parts)})" if parts else self.path
