"""The licence of the weights that a run uses. Imports nothing heavy, because planning asks for it."""

import os
from pathlib import Path

from puzzlecell.config.workflow import Configuration


def weights_licence(settings: Configuration) -> str | None:
    """Path of the licence of the weights: that of the configuration, or of the bundle that they come from."""
    if settings.bundle.licence is not None:
        return settings.bundle.licence
    for model, stage in settings.member_stages():
        ready = settings.models[model].stages[stage].checkpoints
        if ready is None:
            continue
        # In a bundle: <bundle>/weights/<model>/<stage>/fold{fold}.safetensors.
        folder = Path(ready).parent.parent.parent.parent
        if (folder / "manifest.json").is_file() and (folder / "LICENCE.txt").is_file():
            return os.fspath(folder / "LICENCE.txt")
    return None
