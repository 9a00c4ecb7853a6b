"""What lies on disk: raw fields, labels, the store, label images, masks as text, submissions, tables of cells."""
