"""Public fields of the Human Protein Atlas, fetched from its servers."""
