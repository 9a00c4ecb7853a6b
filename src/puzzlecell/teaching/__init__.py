"""Targets of networks that are trained on crops of cells: of predictions, and of grades by people."""
