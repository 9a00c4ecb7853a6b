"""`puzzlecell verify`."""

import argparse
import shlex
import signal
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from puzzlecell.cli.arguments import Commands
from puzzlecell.errors import UserError
from puzzlecell.runtime.messages import first_few
from puzzlecell.runtime.threads import available_cores

if TYPE_CHECKING:
    from puzzlecell.data.verify import Verified


def add_parser(commands: Commands) -> None:
    """Add the command to `puzzlecell`."""
    verify = commands.add_parser("verify", help="check the files of a run against their checksums")
    verify.add_argument("folder", nargs="?", default="results", help="default: %(default)s")
    verify.add_argument("--cores", type=int, default=available_cores(), help="default: all (%(default)s)")
    verify.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from puzzlecell.data.verify import verify_folder

    damaged, unchecked, files, size = [], [], 0, 0
    bundles = list(_bundles(Path(options.folder)))
    started = time.monotonic()
    # As on Ctrl-C, so that the worker processes end too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for found in chain(
        verify_folder(options.folder, max(1, options.cores), bundles), map(_verified_bundle, bundles)
    ):
        files, size = files + 1, size + found.size
        if found.problem is not None:
            damaged.append(found)
            print(f"damaged: {found.path}: {found.problem}", flush=True)
        elif not found.checked:
            unchecked.append(found.path)
    seconds = time.monotonic() - started
    print(f"checked {files - len(unchecked)} files, {size / 1e6:.0f} MB, in {seconds:.1f} s")
    if unchecked:
        print(f"of other kinds, which have no checksum: {first_few(unchecked, 3)}")
    if files == len(unchecked):
        raise UserError(
            f"{options.folder}: no file with a checksum in this folder; expected one such as results/"
        )
    if not damaged:
        print("all are intact")
        return
    names = [shlex.quote(str(found.path)) for found in damaged if not found.own]
    if len(names) < len(damaged):
        print("a table without a checksum may be your own: delete it only if a job wrote it")
    print("delete the damaged files, then run your command again with the target intermediates, for example:")
    if names:
        print("rm -r " + " ".join(names))
    print("snakemake --cores 10 intermediates results/submission.csv", flush=True)
    raise UserError(f"damaged files: {len(damaged)} of {files}")


def _bundles(folder: Path) -> Iterator[Path]:
    """Bundles below a folder of results, which have checksums of their own: folders with a manifest, and zip files."""
    from puzzlecell.bundle.manifest import NAME

    yield from (path.parent for path in folder.rglob(NAME))
    yield from folder.rglob("bundle*.zip")


def _verified_bundle(path: Path) -> "Verified":
    from puzzlecell.bundle.manifest import BundleError
    from puzzlecell.bundle.open import check_bundle
    from puzzlecell.data.verify import Verified

    try:
        manifest = check_bundle(path)
    except BundleError as error:
        return Verified(path, problem=str(error).removeprefix(f"{path}: "))
    return Verified(path, sum(entry["bytes"] for entry in manifest["files"].values()))
