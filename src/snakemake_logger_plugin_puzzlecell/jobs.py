"""The jobs of a run: what Snakemake logs about them, the progress they report, and the results to look at."""

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePath

from puzzlecell.errors import UserError
from puzzlecell.runtime.bucket import is_url, read_range
from puzzlecell.runtime.progress import status_path

EXPORTS = "results/export/"
# Results for the user to look at, in the order in which the summary lists them.
TO_LOOK_AT = (
    "results/view/index.html",
    "results/submission.csv",
    "results/cells/*.parquet",
    EXPORTS,
    "results/score/*.csv",
    "results/score/*.png",
    "results/masks/*/*.png",
    "results/models/*/*/fold*/curves.png",
)


def progress_folder() -> Path:
    """Return the folder to which jobs write their progress reports, one file per job."""
    return Path.cwd() / ".snakemake" / "puzzlecell-progress"


@dataclass(frozen=True)
class Report:
    """A job's report of its own progress; `elapsed` is in seconds since the job started."""

    done: int = 0
    total: int = 0
    text: str = ""
    elapsed: float = 0.0
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()
    error: str | None = None

    @property
    def seconds_left(self) -> float | None:
        if not 0 < self.done < self.total:
            return None
        return self.elapsed / self.done * (self.total - self.done)


@dataclass
class Job:
    name: str
    log: str | None
    output: Sequence[str]
    started: float
    report: Report = field(default_factory=Report)
    # Time and content of the last progress line printed.
    shown_at: float = 0.0
    shown: str = ""
    # Number of its notes that have been printed.
    noted: int = 0

    @classmethod
    def announced(cls, record: logging.LogRecord, now: float) -> "Job":
        """Return the job of a JOB_INFO or JOB_ERROR event."""
        details = vars(record)
        wildcards = details.get("wildcards") or {}
        name = " ".join([details["rule_name"], *(f"{key}={value}" for key, value in wildcards.items())])
        message = " ".join((details["rule_msg"] or "").split())
        log, output = ([url_of(path) for path in details[key]] for key in ("log", "output"))
        return cls(message or name, next(iter(log), None), output, now, shown_at=now)

    def read_report(self, folder: Path, last: bool = False) -> None:
        """Read the newest report and delete its file if it is the last; ignore a missing or unreadable one."""
        file = status_path(folder, self.log or "")
        try:
            content = json.loads(file.read_text())
            self.report = Report(
                **{key.name: content[key.name] for key in fields(Report) if key.name in content}
            )
        except (OSError, ValueError, TypeError):
            pass
        if last:
            file.unlink(missing_ok=True)

    def log_end(self, lines: int = 15) -> list[str]:
        try:
            return local_copy(self.log or "").read_text(errors="replace").splitlines()[-lines:]
        except OSError:
            pass
        if self.log is None or not is_url(self.log):
            return []
        # The job ran on another machine.
        try:
            return read_range(self.log, -20_000, 20_000)[0].decode(errors="replace").splitlines()[-lines:]
        except (OSError, UserError):
            return []


def url_of(path: str) -> str:
    """Return the URL of a file in a bucket, which Snakemake names `<URL> (send to storage)` and the like."""
    return re.sub(r"^(s3://.*) \([a-z ]*storage\)$", r"\1", str(path))


def local_copy(log: str) -> Path:
    """Return where the log of a job on this machine is, which Snakemake sends to the bucket later."""
    return Path(re.sub("^s3://", ".snakemake/storage/s3/", log))


def changed_settings(reason: str) -> list[str]:
    """Return `key: before -> now` for each setting that a job's reason names as changed.

    Settings are parameters of the form 'key: value' (puzzlecell.runtime.tracking), which Snakemake lists as
    `before: 'a: 1','b: 2' now: 'a: 3','b: 4'`.
    """
    found = re.search(r"Params have changed.*? before: (.*?) now: (.*?)(?:; |$)", reason)
    if found is None:
        return []
    before, now = (dict(re.findall(r"'([^':]+): (.*?)'(?=,'|\s|$)", texts)) for texts in found.groups())
    return [
        f"{key}: {before.get(key, 'not set')} -> {now.get(key, 'not set')}"
        for key in sorted(before.keys() | now.keys())
    ]


def to_look_at(output: Sequence[str], most: int = 7) -> list[str]:
    """Return the outputs worth looking at; patterns replace the paths if there are more than `most`."""
    found = {
        pattern: sorted(path for path in output if PurePath(path).match(pattern)) for pattern in TO_LOOK_AT
    }
    *_, masks, curves = TO_LOOK_AT
    # Files and folders of each format and data set.
    found[EXPORTS] = [EXPORTS] if any(EXPORTS in path for path in output) else []
    # One image per data set is enough.
    first = {PurePath(path).parent: path for path in reversed(found[masks])}
    found[masks] = sorted(first.values())
    found[curves] = [curves] if found[curves] else []
    if sum(map(len, found.values())) > most:
        return [pattern if len(paths) > 1 else paths[0] for pattern, paths in found.items() if paths]
    return [path for paths in found.values() for path in paths]
