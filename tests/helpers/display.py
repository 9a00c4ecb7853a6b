"""Records that Snakemake sends to a display, and what the display shows of them."""

import io
import json
import logging
import re

from rich.console import Console
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_puzzlecell import usual_handler
from snakemake_logger_plugin_puzzlecell.run import Run

LOG = "results/logs/train/lite0/stage1/fold{}.log"
CURVES = "results/models/lite0/stage1/fold{}/curves.png"
CONTROL_CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def record(event=None, msg="", level=logging.INFO, **extra):
    made = logging.LogRecord("snakemake", level, "x.py", 1, msg, (), None)
    made.__dict__.update(extra)
    if event is not None:
        made.event = event
    return made


def job_info(fold, **extra):
    return record(
        LogEvent.JOB_INFO,
        f"Rule: train, Jobid: {fold}",
        **{
            "jobid": fold,
            "rule_name": "train",
            "rule_msg": f"Train lite0, stage1, fold {fold}",
            "wildcards": {"fold": fold},
            "log": [LOG.format(fold)],
            "output": [CURVES.format(fold)],
            "reason": "Missing output files: x",
            **extra,
        },
    )


def job_error(fold, log=None):
    return record(
        LogEvent.JOB_ERROR,
        "Error in rule train",
        logging.ERROR,
        jobid=fold,
        rule_name="train",
        rule_msg=None,
        input=[],
        output=[CURVES.format(fold)],
        log=[LOG.format(fold)] if log is None else log,
        conda_env=None,
        shellcmd="false",
        aux={},
    )


class Shown:
    """A run of four jobs with its own console and a stopped clock."""

    def __init__(self, terminal=False, width=80, height=24, settings=None, **options):
        self.now = 100.0
        self.file = io.StringIO()
        console = Console(
            file=self.file, force_terminal=terminal, width=width, height=height, highlight=False, _environ={}
        )
        usual = usual_handler(settings or OutputSettings())
        self.run = Run(console, usual, clock=lambda: self.now, **options)
        self.handle(record(LogEvent.RESOURCES_INFO, "Provided cores: 2", cores=2))
        self.handle(record(LogEvent.RUN_INFO, "Job stats:\ntotal 4", stats={"total": 4}))

    def handle(self, *records):
        for given in records:
            self.run.handle(given)

    def finish(self, fold, done):
        self.handle(
            record(LogEvent.JOB_FINISHED, f"Finished jobid: {fold}", job_id=fold),
            record(LogEvent.PROGRESS, "None", done=done, total=4),
        )

    def report(self, fold, **content):
        file = self.run.folder / (LOG.format(fold).replace("/", "%2F") + ".json")
        content = {"title": "t", "done": 0, "total": 0, "text": "", "elapsed": 0.0, **content}
        file.write_text(json.dumps({"warnings": [], "error": None, **content}))
        return file

    def tick(self, seconds=0.0):
        self.now += seconds
        self.run.tick()

    @property
    def text(self):
        return CONTROL_CODE.sub("", self.file.getvalue()).replace("\r", "\n")

    def frame(self):
        """The current lines of the bars."""
        self.file.truncate(0)
        self.file.seek(0)
        self.tick()
        return self.text.strip("\n").split("\n")
