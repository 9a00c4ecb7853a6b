"""Setup of a job: its output goes to its log, and its progress is reported."""

import json
import logging
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from puzzlecell.errors import UserError
from puzzlecell.runtime.atomic import remove_partials
from puzzlecell.runtime.claim import claim_path, claimed
from puzzlecell.runtime.orphans import ended_with_run
from puzzlecell.runtime.progress import STATUS_FILE, STATUS_FOLDER, Reporter, status_path
from puzzlecell.runtime.slurm import place
from puzzlecell.runtime.temporary import own_temporary_folder

log = logging.getLogger(__name__)

REPORT = "This should not happen; please report it, with the log of the job."


@contextmanager
def job(snakemake: Any) -> Iterator[Reporter]:
    """Redirect all output of the block to the job's log and yield a function that reports progress.

    snakemake: the object that Snakemake provides to scripts; its rule, wildcards, threads, log and
    `params.settings` are used.
    File descriptors 1 and 2 are redirected, so that messages of worker processes and of CUDA reach the log too; without
    a log, nothing is redirected.
    The log begins with versions and settings. The yielded reporter is called as `progress(done, total, text="")`. An
    exception ends the process with exit code 1. Its message is shown on the terminal; the traceback of an error that
    the user cannot fix is in the log. The log of an earlier attempt that was stopped or failed is kept at its
    beginning, and half-written outputs of that attempt are removed.
    Inside the block, no second process can work on the same job, temporary files go to a folder that is removed, and
    the process ends if the run that started it is killed.
    """
    title = " ".join([snakemake.rule, "/".join(map(str, snakemake.wildcards))]).strip()
    log_path = Path(snakemake.log[0]) if snakemake.log else None
    status = status_file(log_path)
    if status is not None:
        os.environ[STATUS_FILE] = str(status)
    terminal = os.fdopen(os.dup(2), "w", buffering=1) if log_path is not None else None
    # On the shared disk of a cluster, hundreds of jobs write their status.
    report = Reporter(title, terminal=terminal, status=status, status_s=5.0 if place() else 0.5)
    with (
        reported_errors(report, log_path),
        ended_with_run(),
        claimed(claim_path(log_path) if log_path else None, report.warn),
        own_temporary_folder(),
    ):
        redirect_output(log_path)
        logging.getLogger().addHandler(_Warnings(report))
        for path in snakemake.output:
            remove_partials(Path(path).parent, {Path(path).stem, Path(path).name})
        log.info(
            "%s; puzzlecell %s, Python %s, %s; threads: %s",
            title,
            version("puzzlecell"),
            platform.python_version(),
            platform.platform(),
            snakemake.threads,
        )
        if place() is not None:
            log.info("%s", place())
        settings = snakemake.params.get("settings")
        if settings is not None:
            log.info("settings: %s", as_json(settings))
        for warning in report.state["warnings"]:
            log.info("before the start: %s", warning)
        started = time.monotonic()
        yield report
        log.info("%s: done in %.1f s", title, time.monotonic() - started)
        if log_path is not None:
            kept_log(log_path).unlink(missing_ok=True)


@contextmanager
def reported_errors(report: Reporter, log_path: Path | None) -> Iterator[None]:
    """Report an exception of the block, and end the process with exit code 1."""
    try:
        yield
    except SystemExit:
        report.fail("stopped; run the same command again to resume", log_path)
        raise
    except UserError as error:
        log.error("%s failed: %s", report.title, error)
        report.fail(str(error), log_path)
        sys.exit(1)
    except MemoryError as error:
        log.exception("%s failed", report.title)
        report.fail(
            f"not enough memory{f': {error}' if str(error) else ''}; free some and start again", log_path
        )
        sys.exit(1)
    except OSError as error:
        log.exception("%s failed", report.title)
        text = f"{error.filename}: {error.strerror}" if error.filename else f"{error}\n{REPORT}"
        report.fail(text, log_path)
        sys.exit(1)
    except Exception as error:
        log.exception("%s failed", report.title)
        report.fail(f"{type(error).__name__}: {error}\n{REPORT}", log_path)
        sys.exit(1)


def redirect_output(log_path: Path | None) -> None:
    """Redirect log records and file descriptors 1 and 2 to a file; without one, log records go to standard error."""
    if log_path is not None:
        log_path.parent.mkdir(parents=True, exist_ok=True)
        continue_log(log_path)
        with log_path.open("a", buffering=1) as log_file:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(log_file.fileno(), 1)
            os.dup2(log_file.fileno(), 2)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
        force=True,
    )
    logging.captureWarnings(True)


def kept_log(log_path: Path) -> Path:
    """Second name of the log of a job that has not succeeded yet."""
    return log_path.with_name(f".{log_path.name}.kept")


def continue_log(log_path: Path) -> None:
    """Begin a log with what an earlier attempt of the job has written, if it was stopped or failed.

    Snakemake deletes the log of a job before it runs it again; a second name keeps the content.
    """
    kept = kept_log(log_path)
    if not log_path.exists() and kept.exists():
        shutil.copyfile(kept, log_path)
    kept.unlink(missing_ok=True)
    log_path.touch()
    # Some file systems know no second names; only logs of earlier attempts are lost there.
    with suppress(OSError):
        os.link(log_path, kept)


def status_file(log_path: Path | None) -> Path | None:
    """Path at which the display of this run expects the status of the job with this log; None without a display."""
    folder = os.environ.get(STATUS_FOLDER)
    return status_path(folder, log_path) if folder and log_path else None


def as_json(settings: object) -> str:
    """Settings as one line of JSON."""
    return (
        settings.model_dump_json() if isinstance(settings, BaseModel) else json.dumps(settings, default=str)
    )


class _Warnings(logging.Handler):
    """Forwards warnings of this package to the reporter."""

    def __init__(self, report: Reporter):
        super().__init__(logging.WARNING)
        self.report = report

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.WARNING and record.name.startswith("puzzlecell"):
            self.report.warn(record.getMessage())
