"""Snakemake logger plugin, `--logger puzzlecell`: one bar per running job, or a few lines without a terminal.

The plugin `rich` shows bars only per rule, and nothing without a terminal; jobs cannot report their progress to it.
"""

import logging
import os
import sys
import threading

from rich.console import Console
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.settings import OutputSettingsLoggerInterface

from puzzlecell.runtime.progress import STATUS_FOLDER
from snakemake_logger_plugin_puzzlecell.jobs import progress_folder
from snakemake_logger_plugin_puzzlecell.run import Run


class LogHandler(LogHandlerBase):
    """Show a run on the terminal; a dry run and `--quiet all` use Snakemake's own output."""

    def __post_init__(self) -> None:
        settings = self.common_settings
        quiet = set(settings.quiet or ())
        self.usual = usual_handler(settings)
        assert self.lock is not None, "logging.Handler makes a lock for each handler"
        self.own_lock = self.lock
        self.run: Run | None = None
        self.closed = threading.Event()
        if settings.dryrun or Quietness.ALL in quiet:
            return
        # Set here, not at the first record, which another thread handles: jobs inherit the variable.
        os.environ[STATUS_FOLDER] = str(progress_folder())
        terminal = sys.stderr.isatty()
        console = Console(
            file=sys.stderr, force_terminal=terminal, no_color=settings.nocolor or None, highlight=False
        )
        self.run = Run(
            console,
            self.usual,
            quiet=bool(quiet - {Quietness.HOST, Quietness.REASON}),
            verbose=settings.verbose,
        )
        every_s = 0.25 if terminal else 1.0
        threading.Thread(target=self._tick, args=(self.run, every_s), daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        if self.run is None:
            self.usual.handle(record)
            return
        try:
            self.run.handle(record)
        except Exception:
            self.handleError(record)

    def _tick(self, run: Run, every_s: float) -> None:
        while not self.closed.wait(every_s):
            with self.own_lock:
                if not self.closed.is_set():
                    run.tick()

    def close(self) -> None:
        """Stop the bars and print the summary; called at the end of the run, or by Python at exit."""
        with self.own_lock:
            if self.run is not None and not self.closed.is_set():
                self.closed.set()
                self.run.close()
                os.environ.pop(STATUS_FOLDER, None)
        super().close()

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False


def usual_handler(settings: OutputSettingsLoggerInterface) -> ColorizingTextHandler:
    """Return the handler that Snakemake itself would print with, including its formatter and filter."""
    return ColorizingTextHandler(
        nocolor=settings.nocolor,
        stream=sys.stdout if settings.stdout else sys.stderr,
        formatter=DefaultFormatter(settings.quiet, settings.show_failed_logs),
        filter=DefaultFilter(
            settings.quiet, settings.debug_dag, settings.verbose, settings.dryrun, settings.printshellcmds
        ),
    )
