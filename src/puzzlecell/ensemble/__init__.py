"""Combine the predictions of several models, write a submission, and merge finished submissions."""
