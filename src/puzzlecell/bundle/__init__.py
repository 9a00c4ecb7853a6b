"""Bundles: a finished run as one folder or zip file without code, and what is needed to predict with one."""
