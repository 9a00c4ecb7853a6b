"""The embeddings in the results of a run: those that belong to its label images and its answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from puzzlecell.data.embedding_file import EmbeddingReader, masks_state
from puzzlecell.data.store import ShardReader
from puzzlecell.errors import UserError
from puzzlecell.runtime.messages import first_few


@dataclass(frozen=True)
class RunEmbeddings:
    """Embeddings of a data set in the results of a run. member: `<model>.<stage>`. files: one per shard, in order."""

    results: Path
    dataset: str
    member: str
    files: Sequence[Path]


def find_embeddings(results: Path, dataset: str, member: str | None) -> RunEmbeddings:
    """Find the embeddings of a data set; member: `<model>.<stage>`, None if there is only one.

    Raises UserError if there are none, or of several members, not of all shards, or of other label images or networks.
    """
    folder = results / "embeddings" / dataset
    shards = sorted((results / "store" / dataset).glob("[0-9][0-9][0-9].h5"))
    if not shards:
        known = sorted(path.parent.name for path in (results / "store").glob("*/000.h5"))
        raise UserError(
            f"{results}: there is no data set {dataset}; there are {first_few(known) or 'none at all'}"
        )
    found = sorted(path.parent.name for path in folder.glob("*/000.h5"))
    remedy = "make them with `snakemake --cores all embeddings` in the folder of the run"
    if not found:
        raise UserError(f"{folder}: there are no embeddings; {remedy}")
    if member is None and len(found) > 1:
        raise UserError(f"--member: there are embeddings of {', '.join(found)}; name one of them")
    member = found[0] if member is None else member
    if member not in found:
        raise UserError(
            f"--member: there are no embeddings of {member}; there are those of {', '.join(found)}"
        )
    files = _current(results, dataset, [folder / member / path.name for path in shards], remedy)
    return RunEmbeddings(results, dataset, member, files)


def _current(results: Path, dataset: str, files: Sequence[Path], remedy: str) -> list[Path]:
    """The first of these files that have together as many cells as the answer; others are left of more shards.

    Raises UserError if a file is missing, or is not of the label images that are there now, or of the network of the
    others.
    """
    answer = results / "cells" / f"{dataset}.parquet"
    if not answer.is_file():
        raise UserError(f"{answer}: there is no such file; start the run again to make it")
    wanted, networks = pq.read_metadata(answer).num_rows, set()
    found: list[Path] = []
    for path in files:
        if wanted == 0 and found:
            break
        if not path.is_file():
            raise UserError(f"{path}: there is no such file; {remedy}")
        reader = EmbeddingReader(path)
        if reader.masks != masks_state(ShardReader([results / "masks" / dataset / path.name])):
            raise UserError(f"{path}: made with other label images than those of this run; {remedy}")
        wanted -= len(reader)
        networks.add(reader.network)
        found.append(path)
    if wanted:
        raise UserError(f"{answer} has other cells than the embeddings in {files[0].parent}; {remedy}")
    if len(networks) > 1:
        raise UserError(f"{files[0].parent}: embeddings of {len(networks)} different networks; {remedy}")
    return found


def run_fields(run: RunEmbeddings) -> tuple[ShardReader, ShardReader]:
    """Stored fields and label images of the data set."""
    store, masks = (
        [run.results / kind / run.dataset / path.name for path in run.files] for kind in ("store", "masks")
    )
    return ShardReader(store), ShardReader(masks)
