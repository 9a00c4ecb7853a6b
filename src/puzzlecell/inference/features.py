"""Features of whole fields by a backbone that a training keeps as it is."""

import os
from collections.abc import Iterator

import numpy as np
import torch

from puzzlecell.config.steps import TtaSettings
from puzzlecell.config.training import TrainingSettings
from puzzlecell.data.feature_maps import ENCODER, features_bytes, view_name
from puzzlecell.data.resize import sized_field
from puzzlecell.data.store import shard_writer
from puzzlecell.errors import UserError
from puzzlecell.inference.predict import Paths, batches, open_shards
from puzzlecell.inference.tta import turn, turn_back, views
from puzzlecell.network.cam_network import CamNetwork
from puzzlecell.network.frozen import encoder_digest, feature_shape
from puzzlecell.network.memory import channels_last
from puzzlecell.network.starting import starting_encoder
from puzzlecell.runtime.malloc import keep_freed_memory
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.runtime.threads import limited_threads


def write_features(
    path: str | os.PathLike,
    store: Paths,
    settings: TrainingSettings,
    *,
    init_from: str | os.PathLike | None = None,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Write the features of the stored fields: for each view, an array (N, D, h, w) float16; batch by batch.

    settings: of the training that learns from them. init_from: model.safetensors of the stage that it starts from. The
    maps of flipped and turned fields are turned back, so that the maps of all views are aligned. Raises the errors
    of `starting_network`, and UserError for features that are not finite as float16.
    """
    reader, shape = open_shards(store), feature_shape(settings)
    if device == "cpu":
        keep_freed_memory()
    chosen = views(TtaSettings(flip=settings.features.flip, rotate=settings.features.rotate))
    arrays = {view_name(number): (shape, np.dtype(np.float16)) for number in range(len(chosen))}
    with limited_threads(threads):
        network = starting_encoder(settings, init_from)
        attributes = {ENCODER: encoder_digest(network)}
        network = channels_last(network.to(device))
        with shard_writer(path, reader.ids, {}, arrays, attributes) as writer:
            size = settings.validation_batch_size or settings.batch_size
            for rows in batches(range(len(reader)), size):
                ids = [reader.ids[row] for row in rows]
                fields = np.stack([sized_field(reader.read(name), settings.input.field_size) for name in ids])
                for number, maps in enumerate(feature_maps(network, fields, chosen, device)):
                    poor = [name for name, one in zip(ids, maps, strict=True) if not np.isfinite(one).all()]
                    if poor:
                        raise UserError(
                            f"field {', '.join(poor)}: the features of {settings.network.backbone} are not finite, or "
                            "too large for float16; leave out network.frozen, or choose another backbone"
                        )
                    for row, one in zip(rows, maps, strict=True):
                        writer.write(row, view_name(number), one)
                progress(rows[-1] + 1, len(reader))


def feature_maps(
    network: CamNetwork, fields: np.ndarray, chosen: list[tuple[bool, int]], device: str
) -> Iterator[np.ndarray]:
    """Yield the features (B, D, h, w) float16 of fields (B, S, S, 4) uint8 for each view, turned back."""
    batch = torch.from_numpy(np.ascontiguousarray(fields)).to(device).permute(0, 3, 1, 2)
    for view in chosen:
        with torch.inference_mode():
            seen = turn(batch, view).contiguous(memory_format=torch.channels_last)
            maps = turn_back(network.features(seen), view)
        yield maps.half().cpu().numpy()


def size_in_words(fields: int, settings: TrainingSettings) -> str:
    """What the features of fields take on disk, at most."""
    shape, count = feature_shape(settings), settings.features.views
    size = features_bytes(fields, count, shape) / 1e6
    return (
        f"features of {fields:,} fields in {count} {'view' if count == 1 else 'views'}, each "
        f"{' x '.join(map(str, shape))} numbers of 16 bits: {size:,.1f} MB at most"
    )
