"""Where the project and the shared data lie."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared/data"
"""Real fields and labels; not part of the project, so tests that need them skip without."""
