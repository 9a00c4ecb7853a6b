"""Errors of raw image files."""

from puzzlecell.errors import UserError


class ImageError(UserError):
    """An image file cannot be used; the message says which file, what was found and what was expected."""


class MissingImageError(ImageError):
    """There is no such file."""


class ImageProblem(ValueError):  # noqa: N818
    """What is wrong with an image, without its path; whoever knows the file makes an ImageError of it."""
