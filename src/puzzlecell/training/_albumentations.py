"""albumentations, imported without its online check for updates.

Always import it from here: `from puzzlecell.training._albumentations import albumentations`.
"""

import os

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations  # reads the variable above

__all__ = ["albumentations"]
