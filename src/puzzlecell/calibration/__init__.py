"""Calibration of cell probabilities on cells whose classes are known, and calls made of them."""
