"""Paths of the project and of the shared data."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared/data"
"""Real fields and labels. They are not part of the project; tests that need them are skipped if they are missing."""
