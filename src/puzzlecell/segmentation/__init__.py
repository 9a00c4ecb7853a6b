"""Segmentation of fields into label images of cells and nuclei; `segmentation.method` selects the segmenter."""
