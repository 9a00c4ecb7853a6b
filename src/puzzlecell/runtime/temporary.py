"""Temporary files: each job has a folder of its own, and what killed processes leave is removed later."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from puzzlecell.runtime.process import process_of, start_time, this_process

PREFIX = "puzzlecell-job-"
OWNER = "puzzlecell-owner.json"
"""File in a temporary folder that names its process."""
_SHARER = "puzzlecell-process-{}.json"
"""The same for further processes, by their numbers."""
_SHARED_MEMORY = Path("/dev/shm")
# Semaphores of multiprocessing, as joblib names them, and tensors of torch. {} is the number of the process.
_IN_SHARED_MEMORY = ("sem.loky-{}-*", "torch_{}_*")
_LONGEST = 50
"""Sockets of workers lie in these folders, and the path of a socket has at most 104 characters."""
_COMPILED = "TORCHINDUCTOR_CACHE_DIR"


def shared_temporary_folder() -> Path:
    """Return the folder for temporary files that jobs share (TMPDIR, or the system's)."""
    folder = Path(tempfile.gettempdir())
    return folder.parent if folder.name.startswith(PREFIX) else folder


@contextmanager
def own_temporary_folder() -> Iterator[None]:
    """Put the temporary files of this process and its children into a folder of their own inside the block.

    It is removed at the end. Folders of processes that were killed are removed at the beginning. Where no such folder
    can be made, or its path would be too long for sockets, the shared one is used.
    """
    shared = shared_temporary_folder()
    remove_abandoned(shared, PREFIX)
    own = _made_in(shared)
    if own is None:
        yield
        return
    before = {name: os.environ.get(name) for name in ("TMPDIR", _COMPILED)}, tempfile.tempdir
    os.environ["TMPDIR"] = tempfile.tempdir = str(own)
    # What torch.compile makes takes minutes, and is for later jobs too.
    os.environ.setdefault(_COMPILED, str(shared / f"torchinductor_{os.getuid()}"))
    try:
        yield
    finally:
        for name, value in before[0].items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        tempfile.tempdir = before[1]
        shutil.rmtree(own, ignore_errors=True)


def _made_in(shared: Path) -> Path | None:
    if len(str(shared)) > _LONGEST:
        return None
    try:
        own = Path(tempfile.mkdtemp(prefix=PREFIX, dir=shared))
    except OSError:
        return None
    mark_owned(own)
    return own


def mark_owned(folder: str | os.PathLike) -> None:
    """Note in a temporary folder that this process uses it, for `remove_abandoned`."""
    _note(Path(folder, OWNER))


def note_process() -> None:
    """Note in the folder of the job that this child process has semaphores of its own, for `remove_abandoned`."""
    folder = Path(tempfile.gettempdir())
    if folder.name.startswith(PREFIX):
        _note(folder / _SHARER.format(os.getpid()))


def _note(path: Path) -> None:
    # On a full disk, the folder stays if this process is killed; that is no reason to stop.
    with suppress(OSError):
        path.write_text(this_process().as_json())


def remove_abandoned(parent: str | os.PathLike, prefix: str) -> None:
    """Remove folders whose names begin with `prefix` and whose process has ended without removing them.

    With them goes what the noted processes left in shared memory. Folders that were never marked are left, as are those
    of other users, machines and containers.
    """
    with suppress(OSError), os.scandir(Path(parent)) as entries:
        for entry in entries:
            if entry.name.startswith(prefix) and entry.is_dir(follow_symlinks=False):
                _remove_if_abandoned(Path(entry.path))


def _remove_if_abandoned(folder: Path) -> None:
    try:
        if folder.stat().st_uid != os.getuid():
            return
        owner = process_of((folder / OWNER).read_text())
        if owner is None or owner.alive() is not False:
            return
        noted = [process_of(path.read_text()) for path in folder.glob(_SHARER.format("*"))]
    except OSError:
        return
    for process in (owner, *noted):
        # No other process may have its number by now.
        if process is not None and process.alive() is False and start_time(process.pid) is None:
            for pattern in _IN_SHARED_MEMORY:
                for path in _SHARED_MEMORY.glob(pattern.format(process.pid)):
                    with suppress(OSError):
                        path.unlink()
    shutil.rmtree(folder, ignore_errors=True)
