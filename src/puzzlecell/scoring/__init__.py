"""How good an answer is: average precision against ground truth, what was missed and why, baselines, ablation."""
