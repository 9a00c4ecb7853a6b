"""Training of one stage of a model on all folds but the held-out one."""
