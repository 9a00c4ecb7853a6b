"""Training of one stage of a model on all folds but one."""
