"""Soft targets of single cells, from which networks learn that are trained on crops of cells."""
