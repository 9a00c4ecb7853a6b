"""Proposals for a folder of images that nothing is known about: naming, channels, configuration, contact sheet."""
