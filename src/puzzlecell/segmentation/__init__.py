"""From fields to label images of cells and nuclei; `segmentation.method` chooses the segmenter."""
