"""Pixel values of TIFFs as raw intensities: uint8, uint16 or float32."""

from typing import Literal

import numpy as np

from puzzlecell.data.image_errors import ImageProblem

NOTES = {
    "bits": "a TIFF of fewer than 8 bits, whose brightest possible pixel became 255",
    "integers": "a TIFF of signed or 32-bit integers, all of which fit 16 bits",
}
FEW_BITS = {1: 255, 2: 85, 4: 17}
"""Factors that stretch 1, 2 and 4 bits to 8, as in PNGs."""


def type_of(dtype: np.dtype | None, bits: object) -> tuple[Literal["uint", "float"], int, str | None]:
    """Return kind, bits and note of the intensities that pixels of a type are read as.

    dtype, bits: type of the decoded pixels and bits per pixel of the file, as tifffile says them. Raises
    ImageProblem if pixels of the type are no intensities.
    """
    expected = "expected 8- or 16-bit integers or floating point"
    if dtype is None or not isinstance(bits, int):
        raise ImageProblem(f"pixels of an unknown type, {bits} bits; {expected}")
    if dtype.kind == "f":
        return "float", 32, None
    if bits in FEW_BITS and dtype.kind in "bu":
        return "uint", 8, NOTES["bits"]
    if dtype.kind == "u" and (bits == 8 or 9 <= bits <= 16):
        return "uint", 8 if bits == 8 else 16, None
    if dtype.kind in "iu" and bits in (8, 16, 32, 64):
        return "uint", 8 if bits == 8 else 16, NOTES["integers"]
    name = "complex numbers" if dtype.kind == "c" else f"{bits} bits ({dtype})"
    raise ImageProblem(f"pixels of {name}; {expected}")


def raw_values(image: np.ndarray, bits: int) -> np.ndarray:
    """Convert decoded pixels (H, W) of any type that `type_of` accepts to uint8, uint16 or float32.

    1, 2 and 4 bits are stretched to 8; 9 to 15 bits keep their values. Raises ImageProblem for integers below 0 or
    beyond 65535 (8 bits: 255), and for floating-point values that are below 0 or not finite.
    """
    if image.dtype.kind == "f":
        return _checked_float(image)
    if bits in FEW_BITS:
        return image.astype(np.uint8) * np.uint8(FEW_BITS[bits])
    wanted, top = (np.dtype(np.uint8), 255) if bits == 8 else (np.dtype(np.uint16), 65535)
    if image.dtype != wanted:
        low, high = int(image.min()), int(image.max())
        if low < 0 or high > top:
            advice = (
                "add a constant to the image" if low < 0 else "scale the image or save it as floating point"
            )
            raise ImageProblem(f"pixels from {low} to {high} ({image.dtype}); expected 0 to {top}: {advice}")
    return np.ascontiguousarray(image, wanted)


def _checked_float(image: np.ndarray) -> np.ndarray:
    # A double beyond the range of single precision becomes infinite.
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(image, np.float32)
    if not np.isfinite(single).all():
        count = int((~np.isfinite(single)).sum())
        raise ImageProblem(f"{count} pixels are not a number, or infinite; expected numbers")
    low = float(single.min())
    if low < 0:
        raise ImageProblem(
            f"pixels below 0, down to {low:g}; expected intensities of 0 or more: add a constant to the image"
        )
    return single
