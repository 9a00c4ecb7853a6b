"""albumentations, imported without its look-up of newer versions on the network.

Every module that needs it takes it from here: `from puzzlecell.training._albumentations import albumentations`.
"""

import os

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations  # reads the variable above

__all__ = ["albumentations"]
