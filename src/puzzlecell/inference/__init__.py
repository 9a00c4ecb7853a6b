"""Predict cell tables: step 1 (activation maps of fields), step 2 (cell crops), and out-of-fold predictions."""
