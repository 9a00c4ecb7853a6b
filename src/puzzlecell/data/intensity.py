"""The intensity range of raw fields."""

import numpy as np


def intensity_range(field: np.ndarray) -> int:
    """Return 65535 if any channel of the field exceeds 255, else 255, because some 16-bit files hold 0 to 255."""
    return 65535 if int(field.max(initial=0)) > 255 else 255
