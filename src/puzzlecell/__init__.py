"""Single-cell protein localisation from image-level labels."""

from importlib.metadata import version

__version__ = version("puzzlecell")
