"""From tables of cells to the answer: members combined, submission written, submissions merged."""
