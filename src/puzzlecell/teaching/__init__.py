"""Soft targets of single cells, from which networks learn: predictions of other networks, and grades by people."""
