"""Errors of raw image files."""

from puzzlecell.errors import UserError


class ImageError(UserError):
    """An image file cannot be used; the message says which file, what was found and what was expected."""


class MissingImageError(ImageError):
    """There is no such file."""
