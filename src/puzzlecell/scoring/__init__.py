"""Evaluate predictions against ground truth: average precision, error analysis, baselines, ablation."""
