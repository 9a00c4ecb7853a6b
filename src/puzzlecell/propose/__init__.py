"""Proposals for a folder of images that nothing is known about: naming pattern, channels, configuration, contact sheet."""
