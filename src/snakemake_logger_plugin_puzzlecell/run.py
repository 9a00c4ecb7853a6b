"""Display of a run: progress bars in a terminal or plain lines elsewhere, messages and a final summary."""

import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from snakemake.logging import ColorizingTextHandler
from snakemake_interface_logger_plugins.common import LogEvent

from puzzlecell.runtime.progress import STATUS_FOLDER
from snakemake_logger_plugin_puzzlecell.jobs import (
    Job,
    changed_settings,
    progress_folder,
    to_look_at,
)

# Replaced by the bars or progress lines, or shown only with `--verbose` and in Snakemake's log file.
HIDDEN_EVENTS = {
    LogEvent.WORKFLOW_STARTED,
    LogEvent.JOB_STARTED,
    LogEvent.JOB_INFO,
    LogEvent.JOB_FINISHED,
    LogEvent.GROUP_INFO,
    LogEvent.PROGRESS,
}
HIDDEN_IN_A_TERMINAL = {LogEvent.RESOURCES_INFO, LogEvent.RUN_INFO}
HIDDEN_MESSAGES = (
    "Assuming unrestricted shared filesystem",
    "Using shell:",
    "Conda environments: ignored",
    "Rules claiming more threads",
    "Select jobs to execute",
    "Shutting down, this",
    "Complete log(s):",
    "Retrieving from storage:",
    "Finished retrieval.",
    "Storing in storage:",
    "Finished upload.",
    "Removing local copy of storage file:",
    "Storing output in storage.",
    "Elapsed time:",
    "Auto-selected partition",
    "Cleaning up SLURM log files",
)
# Messages that Snakemake adds after a failed job, which has been reported by then.
FAILURE_ECHOES = ("Exiting because a job execution failed", "At least one job did not complete successfully")
STOPPING = ("Terminating processes on user request", "Will exit after finishing currently running jobs")
STYLES = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}


class Run:
    """Display Snakemake's log records; call `handle` per record, `tick` a few times per second, `close` at the end.

    A record with the attribute `at_end` is shown below the summary.
    """

    def __init__(
        self,
        console: Console,
        usual: ColorizingTextHandler,
        *,
        quiet: bool = False,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.console, self.usual, self.quiet, self.verbose, self.clock = console, usual, quiet, verbose, clock
        self.bars = console.is_terminal and not console.is_dumb_terminal and not quiet
        self.lines = not self.bars and not quiet
        self.folder = progress_folder()
        self.stopping = False
        self.started: float | None = None
        self.running: dict[int, Job] = {}
        self.failed: dict[int, Job] = {}
        self.done = self.total = 0
        self.output: list[str] = []
        self.warned: set[str] = set()
        self.at_end: list[str] = []
        self.live = Live(
            console=console,
            get_renderable=self._bars,
            auto_refresh=False,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
        )

    def handle(self, record: logging.LogRecord) -> None:
        details = vars(record)
        event = details.get("event")
        if details.get("at_end"):
            self.at_end.append(self.usual.format(record))
            return
        self.stopping |= record.getMessage().startswith(STOPPING)
        if event != LogEvent.JOB_ERROR and self._is_shown(record, event):
            self._say(self.usual.format(record), STYLES.get(record.levelno))
        match event:
            case LogEvent.RESOURCES_INFO:
                self._begin()
            case LogEvent.RUN_INFO:
                self.total = details["stats"].get("total", 0)
            case LogEvent.JOB_INFO:
                self._start(details["jobid"], Job.announced(record, self.clock()))
                self._say_what_changed(details.get("reason") or "")
            case LogEvent.JOB_FINISHED:
                self._finish(details["job_id"])
            case LogEvent.JOB_ERROR:
                self._fail(details["jobid"], record)
            case LogEvent.PROGRESS:
                self.done, self.total = details["done"], details["total"]

    def _is_shown(self, record: logging.LogRecord, event: LogEvent | None) -> bool:
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            reported = bool(self.failed) or self.stopping
            echo = reported and any(text in message for text in FAILURE_ECHOES)
            # A job's failed command, which is about to be reported together with the end of the job's log.
            echo = echo or (bool(self.running) and "CalledProcessError" in message)
            return self.verbose or (not echo and self._is_new(message))
        if not self.usual.filter(record) or message in ("", "None"):
            return False
        if message.startswith(STOPPING):  # repeated while jobs are still running
            return self._is_new(message)
        if self.verbose:
            return event not in (LogEvent.JOB_FINISHED, LogEvent.PROGRESS)
        hidden = event in HIDDEN_EVENTS or (self.bars and event in HIDDEN_IN_A_TERMINAL)
        return not hidden and not message.startswith(HIDDEN_MESSAGES)

    def _is_new(self, warning: str) -> bool:
        new = warning not in self.warned
        self.warned.add(warning)
        return new

    def _begin(self) -> None:
        """Empty the report folder, once there is something to run and the working directory is locked."""
        if self.started is not None:
            return
        self.started = self.clock()
        self.folder = progress_folder()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        os.environ[STATUS_FOLDER] = str(self.folder)
        if self.bars:
            self.live.start()

    def _start(self, jobid: int, job: Job) -> None:
        self._begin()
        self.running[jobid] = job
        # Target rules that only list inputs have no output and take no time.
        if self.lines and job.output:
            self._say(f"started: {job.name}")

    def _say_what_changed(self, reason: str) -> None:
        """Print each changed setting once, with both values."""
        for change in changed_settings(reason) if not self.quiet else []:
            if self._is_new(change):
                self._say(f"changed: {change}")

    def _finish(self, jobid: int) -> None:
        job = self.running.pop(jobid, None)
        if job is None:
            return
        self.failed.pop(jobid, None)  # of an earlier attempt
        self._take_in(job, last=True)
        self.done += 1
        self.output += job.output
        if self.lines and job.output:
            took = duration(self.clock() - job.started)
            self._say(f"done: {job.name} in {took}, {self.done} of {self.total} jobs done")

    def _fail(self, jobid: int, record: logging.LogRecord) -> None:
        job = self.running.pop(jobid, None) or Job.announced(record, self.clock())
        self._take_in(job, last=True)
        if self.stopping:
            self._say(f"stopped: {job.name}")
            return
        self.failed[jobid] = job
        lines = (
            (job.report.error or "").splitlines() or job.log_end() or self.usual.format(record).splitlines()
        )
        if job.log:
            lines.append(f"log: {job.log}")
        after = duration(self.clock() - job.started)
        self._say("\n    ".join([f"{job.name} failed after {after}", *lines]), "red")

    def _take_in(self, job: Job, last: bool = False) -> None:
        job.read_report(self.folder, last)
        for note in job.report.notes[job.noted :] if not self.quiet else []:
            self._say(note)
        job.noted = len(job.report.notes)
        for warning in job.report.warnings:
            if self._is_new(warning):
                self._say(f"{job.name}: {warning}", "yellow")

    def tick(self) -> None:
        for job in self.running.values():
            self._take_in(job)
            if self.lines:
                self._print_progress(job)
        if self.live.is_started:
            self.live.refresh()

    def _print_progress(self, job: Job) -> None:
        """Print the progress if it has changed: every 10 seconds at first, less often the longer the job runs."""
        now, report = self.clock(), job.report
        state = f"{report.done}/{report.total}" if report.total else ""
        if state in ("", job.shown) or now - job.shown_at < min(max(10.0, (now - job.started) / 10), 300.0):
            return
        job.shown, job.shown_at = state, now
        left = [] if report.seconds_left is None else [f"{duration(report.seconds_left)} left"]
        self._say(", ".join([f"{job.name}: {state}", *left, *filter(None, [report.text])]))

    def _bars(self) -> Table:
        width, height = self.console.size
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(max_width=width * 2 // 5, no_wrap=True, overflow="ellipsis")
        table.add_column(ratio=1)
        table.add_column(min_width=5, justify="right", no_wrap=True)
        table.add_column(min_width=9, justify="right", no_wrap=True)
        if width >= 110:
            table.add_column(width=width // 4, no_wrap=True, overflow="ellipsis")
        now = self.clock()
        jobs = [job for job in self.running.values() if job.output]
        most = max(1, height - 3)
        for job in jobs[:most]:
            report, left = job.report, job.report.seconds_left
            bar = ProgressBar(total=report.total or None, completed=report.done, animation_time=now)
            count = f"{report.done}/{report.total}" if report.total else ""
            shown = duration(now - job.started) if left is None else f"{duration(left)} left"
            table.add_row(Text(job.name), bar, count, shown, *([Text(report.text)] if width >= 110 else []))
        if len(jobs) > most:
            table.add_row(f"and {len(jobs) - most} more")
        bar = ProgressBar(total=self.total or None, completed=self.done, animation_time=now)
        elapsed = duration(now - (self.started or now))
        table.add_row("All jobs", bar, f"{self.done}/{self.total}", elapsed, style="bold")
        return table

    def close(self) -> None:
        if self.live.is_started:
            self.live.stop()
        if not self.stopping:
            # Snakemake has no event for a job that succeeded without writing all its outputs.
            self.failed.update(self.running)
        if not self.quiet and (self.done or self.failed or self.stopping):
            complete = self.done >= self.total and not self.failed
            self._say("\n".join(self._summary(complete)), "green" if complete else "red")
        for text in self.at_end:
            self._say(text, "yellow")

    def _summary(self, complete: bool) -> Iterator[str]:
        elapsed = duration(self.clock() - (self.started or 0.0))
        if complete:
            yield f"{self.done} job{'s' * (self.done != 1)} done in {elapsed}"
            if paths := to_look_at(self.output):
                yield from ["Look at", *(f"    {path}" for path in paths)]
            return
        state = (
            f"{len(self.failed)} failed" if self.failed else "stopped; run the same command again to resume"
        )
        yield f"{self.done} of {self.total} jobs done in {elapsed}, {state}"
        yield from (f"    {job.name}: see {job.log or 'above'}" for job in self.failed.values())

    def _say(self, text: str, style: str | None = None) -> None:
        # Log text can contain control codes; keep only the styles that a console can show.
        self.console.print(Text.from_ansi(text, style=style or ""), soft_wrap=True)


def duration(seconds: float) -> str:
    """Format a duration in seconds as 0:07, 12:34 or 1:02:03."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
