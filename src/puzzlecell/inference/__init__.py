"""From trained networks to tables of cells: step 1 (maps of fields), step 2 (crops of cells), out of fold."""
