"""The plugin as Snakemake uses it: its handler, the folder for reports, and a run."""

import os
import re
import subprocess
import sys

import pytest
from helpers.display import job_info, record
from snakemake.logging import ColorizingTextHandler
from snakemake.settings.enums import Quietness
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent

from puzzlecell.runtime.progress import STATUS_FOLDER
from snakemake_logger_plugin_puzzlecell import LogHandler, usual_handler


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(STATUS_FOLDER, "")
    return tmp_path


@pytest.mark.parametrize(
    "settings", [OutputSettings(dryrun=True, stdout=True), OutputSettings(quiet={Quietness.ALL})]
)
def test_a_dry_run_is_shown_by_snakemake_itself(folder, settings, capsys):
    records = [
        job_info(1),
        record(LogEvent.RUN_INFO, "Job stats:", stats={}),
        record(None, "Nothing to be done"),
    ]
    handler, own = LogHandler(settings, None), usual_handler(settings)
    assert isinstance(own, ColorizingTextHandler)
    shown = []
    for each in (handler, own):
        for given in records:
            each.handle(given)
        each.close()
        shown.append(re.sub(r"\[.*\]", "", "".join(capsys.readouterr())))
    assert shown[0] == shown[1] and ("Reason" in shown[0]) == settings.dryrun
    assert os.environ[STATUS_FOLDER] == ""


def test_the_report_folder_is_created_and_emptied(folder, capsys):
    progress = folder / ".snakemake/puzzlecell-progress"
    progress.mkdir(parents=True)
    (progress / "old.json").touch()
    handler = LogHandler(OutputSettings(), None)
    assert os.environ[STATUS_FOLDER] == str(progress)
    handler.handle(record(LogEvent.RESOURCES_INFO, "Provided cores: 2"))
    assert list(progress.iterdir()) == []
    handler.close()
    handler.close()
    assert STATUS_FOLDER not in os.environ
    assert capsys.readouterr().err == "Provided cores: 2\n"


def test_snakemake_runs_with_it(folder):
    (folder / "Snakefile").write_text(
        'rule a:\n    output: "results/submission.csv"\n    message: "Write it"\n'
        '    shell: "test -d $PUZZLECELL_PROGRESS && touch {output}"\n'
    )
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--logger", "puzzlecell"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.sub(r"\d:\d\d", "TIME", done.stderr).endswith(
        "started: Write it\ndone: Write it in TIME, 1 of 1 jobs done\n"
        "1 job done in TIME\nLook at\n    results/submission.csv\n"
    )
    (log,) = (folder / ".snakemake/log").iterdir()
    assert "Reason: Missing output files" in log.read_text()
