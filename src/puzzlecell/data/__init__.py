"""Data on disk: raw fields, labels, the store, label images, encoded masks, submissions and cell tables."""
