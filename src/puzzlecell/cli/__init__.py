"""The command `puzzlecell`: `main` and one file per command; arguments and calls, nothing else."""
