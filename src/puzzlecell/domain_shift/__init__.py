"""How unlike the training fields other fields and their cells are."""
