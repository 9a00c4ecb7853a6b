"""What planning compares to see whether the raw data of a data set have changed.

Imports nothing heavy, because planning uses this module.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from puzzlecell.data.field_sources import FieldSources, RawDataset, field_sources, metadata_columns
from puzzlecell.data.raw_files import shard_of
from puzzlecell.data.text_tables import read_text_columns
from puzzlecell.runtime.fingerprint import files_digest
from puzzlecell.runtime.unchanged_files import kept_while_unchanged


def shard_digest(dataset: RawDataset, shard: int, shards: int, *, simulated: bool = False) -> str:
    """Digest of the paths, sizes and modification times of the raw files of a shard.

    Pages and channels of files count, too. simulated: the workflow itself writes the raw files and knows when to write
    them again; only files changed after the label table was written count then, so that the digest is the same before
    and after they are written. A data set whose fields are not known counts as empty; `dataset_problems` reports it.
    Never raises for any state of the files, because it is called while the workflow is planned.
    """
    try:
        sources = field_sources(dataset)
        field_ids = sources.of_shard(shard, shards)
        labels = dataset.labels
        since = Path(labels).stat().st_mtime_ns if simulated and labels and field_ids else 0
    except (OSError, ValueError):
        return files_digest([])
    digest = files_digest(sources.files(field_ids), since)
    return digest if sources.table is None else f"{digest} {texts_digest(_parts(sources, field_ids))}"


def pixel_sizes_state(dataset: RawDataset, shard: int, shards: int) -> str | None:
    """Digest of the pixel sizes that the table of images gives to the fields of a shard; None if it gives none.

    Never raises.
    """
    if dataset.table is None:
        return None
    try:
        sources = field_sources(dataset)
    except (OSError, ValueError):
        return None
    sizes = {field_id: sources[field_id].pixel_size_um for field_id in sources.of_shard(shard, shards)}
    return (
        texts_digest(f"{field_id} {size}" for field_id, size in sizes.items())
        if any(sizes.values())
        else None
    )


def metadata_state(dataset: RawDataset) -> str | None:
    """Digest of the metadata of all fields; None if there is none. Never raises."""
    try:
        columns = metadata_columns(dataset)
    except (OSError, ValueError):
        return None
    if columns is None:
        return None
    return texts_digest(f"{name} {values}" for name, values in columns.items())


def shard_metadata_state(dataset: RawDataset, shard: int, shards: int) -> str | None:
    """Digest of the metadata of the fields of a shard; None if there is none. Never raises."""
    try:
        columns = metadata_columns(dataset)
    except (OSError, ValueError):
        return None
    if columns is None:
        return None
    places = [place for place, name in enumerate(columns["ID"]) if shard_of(name, shards) == shard]
    return texts_digest(f"{name} {[values[place] for place in places]}" for name, values in columns.items())


def shard_rows_state(table: str, shard: int, shards: int) -> str:
    """Digest of the rows of a text table that belong to the fields of a shard, by their column `ID`. Never raises."""
    try:
        return _rows_by_shard(table, shards)[shard]
    except (OSError, ValueError):
        return "the table cannot be used"


@kept_while_unchanged
def _rows_by_shard(table: Path, shards: int) -> list[str]:
    _, columns = read_text_columns(table, ["ID"])
    rows: list[list[str]] = [[] for _ in range(shards)]
    for field_id, *values in zip(columns["ID"], *columns.values(), strict=True):
        rows[shard_of(field_id, shards)].append(f"{values}")
    return [texts_digest([str(list(columns)), *sorted(found)]) for found in rows]


def texts_digest(texts: Iterable[str]) -> str:
    """Digest (16 hex digits) of texts in their order."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(f"{text}\n".encode(errors="surrogatepass"))
    return digest.hexdigest()[:16]


def _parts(sources: FieldSources, field_ids: Iterable[str]) -> Iterator[str]:
    for field_id in field_ids:
        yield f"{field_id} {[(p.path, p.page, p.channel) if p else None for p in sources[field_id].planes]}"
