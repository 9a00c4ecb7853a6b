import logging

import pytest
from helpers.display import LOG, Shown, job_error, job_info, record
from snakemake.settings.enums import Quietness
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent

from puzzlecell.runtime.progress import STATUS_FOLDER
from snakemake_logger_plugin_puzzlecell.jobs import Job, Report, to_look_at
from snakemake_logger_plugin_puzzlecell.run import duration


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(STATUS_FOLDER, "")
    return tmp_path


@pytest.mark.parametrize("width", [80, 160])
def test_one_bar_per_running_job_and_one_for_the_run(width):
    shown = Shown(terminal=True, width=width)
    shown.handle(job_info(1), job_info(2))
    shown.report(1, done=95, total=125, elapsed=38.0, text="epoch 9: loss 0.1")
    shown.now += 70
    first, second, whole = shown.frame()
    assert first.startswith("Train lite0, stage1, fold 1 ━")
    assert " 95/125 0:12 left" in first
    assert ("epoch 9: loss 0.1" in first) == (width == 160)
    assert second.startswith("Train lite0, stage1, fold 2 ━") and second.rstrip().endswith(" 1:10")
    assert whole.startswith("All jobs ") and whole.rstrip().endswith("0/4      1:10")
    assert all(len(line) <= width for line in (first, second, whole))
    shown.finish(1, done=1)
    second, whole = shown.frame()
    assert "fold 2" in second and " 1/4 " in whole


def test_bars_fit_into_the_terminal():
    shown = Shown(terminal=True, height=6)
    shown.handle(*[job_info(fold, rule_msg="A long name " * 9) for fold in range(8)])
    lines = shown.frame()
    assert len(lines) == 5 and all(len(line) <= 80 for line in lines)
    assert lines[0].startswith("A long name A long name") and "…" in lines[0]
    assert lines[3].strip() == "and 5 more"


def test_bars_are_cleared_and_the_cursor_is_restored():
    shown = Shown(terminal=True)
    shown.handle(job_info(1))
    shown.run.close()
    written = shown.file.getvalue()
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")
    assert "Provided cores" not in shown.text and "Missing output" not in shown.text


def test_plain_lines_without_a_terminal():
    shown = Shown()
    shown.handle(record(None, "Select jobs to execute..."), job_info(1))
    shown.handle(job_info(0, rule_name="all", rule_msg=None, log=[], output=[]))
    for done in range(1, 31):
        shown.report(1, done=done, total=40, elapsed=float(done), text="fine")
        shown.tick(1.0)
    shown.finish(1, done=1)
    assert shown.file.getvalue().splitlines() == [
        "Provided cores: 2",
        "Job stats:",
        "total 4",
        "started: Train lite0, stage1, fold 1",
        "Train lite0, stage1, fold 1: 10/40, 0:30 left, fine",
        "Train lite0, stage1, fold 1: 20/40, 0:20 left, fine",
        "Train lite0, stage1, fold 1: 30/40, 0:10 left, fine",
        "done: Train lite0, stage1, fold 1 in 0:30, 1 of 4 jobs done",
    ]


def test_a_long_job_prints_fewer_and_fewer_lines():
    shown = Shown()
    shown.handle(job_info(1))
    for done in range(1, 10 * 360):
        shown.report(1, done=done, total=10**4, elapsed=10.0 * done)
        shown.tick(10.0)
    assert 100 < shown.text.count("left") < 200


@pytest.mark.parametrize("terminal", [False, True])
def test_warnings_are_shown_once(terminal):
    shown = Shown(terminal)
    shown.handle(job_info(1), record(None, "low on disk", logging.WARNING))
    shown.handle(record(None, "low on disk", logging.WARNING))
    file = shown.report(1, warnings=["dark images"])
    shown.tick()
    shown.tick()
    shown.report(1, warnings=["dark images", "few cells"])
    shown.finish(1, done=1)
    assert not file.exists()
    for warning in ("low on disk", "fold 1: dark images", "fold 1: few cells"):
        assert shown.text.count(warning) == 1


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("terminal", [False, True])
def test_a_failure_reports_job_error_and_log(terminal, quiet):
    settings = OutputSettings(quiet={Quietness.RULES, Quietness.PROGRESS} if quiet else None)
    shown = Shown(terminal, settings=settings, quiet=quiet)
    shown.handle(job_info(1))
    shown.report(1, done=1, total=2, error="ValueError: field x: red is missing")
    shown.handle(
        record(LogEvent.ERROR, "RuleException:\nCalledProcessError in file x", logging.ERROR),
        job_error(1),
        record(None, "Exiting because a job execution failed. Look above", logging.ERROR),
        record(LogEvent.ERROR, "At least one job did not complete successfully.", logging.ERROR),
    )
    shown.run.close()
    assert (
        "Train lite0, stage1, fold 1 failed after 0:00\n"
        "    ValueError: field x: red is missing\n"
        f"    log: {LOG.format(1)}\n"
    ) in shown.text
    assert ("0 of 4 jobs done in 0:00, 1 failed" in shown.text) != quiet
    assert ("started:" in shown.text) == (not terminal and not quiet)
    for echo in ("CalledProcessError", "Exiting", "At least"):
        assert echo not in shown.text
    assert not quiet or "\x1b[?25l" not in shown.file.getvalue()


def test_a_failure_without_a_message_shows_the_end_of_the_log(folder):
    shown = Shown()
    shown.handle(job_info(1), job_info(2, log=[]))
    log = folder / LOG.format(1)
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"\x1b[31mline {number}\x1b[0m\n" for number in range(20)))
    shown.handle(job_error(1), job_error(2, log=[]))
    assert (
        "line 4\n" not in shown.text
        and "\n    line 5\n" in shown.text
        and "\x1b" not in shown.file.getvalue()
    )
    assert "Error in rule train" in shown.text and "(command exited with non-zero exit code)" in shown.text


def test_a_successful_retry_is_not_a_failure():
    shown = Shown()
    shown.handle(job_info(1), job_error(1), job_info(1))
    shown.finish(1, done=4)
    shown.run.close()
    assert "4 jobs done in 0:00" in shown.text


def test_a_job_without_an_end_has_failed():
    shown = Shown()
    shown.handle(job_info(1))
    shown.run.close()
    assert f"1 failed\n    Train lite0, stage1, fold 1: see {LOG.format(1)}" in shown.text


def test_a_stopped_run_says_how_to_resume():
    shown = Shown()
    shown.handle(
        job_info(1), *[record(None, "Terminating processes on user request, this")] * 2, job_error(1)
    )
    shown.run.close()
    assert shown.text.count("Terminating") == 1
    assert "stopped: Train lite0, stage1, fold 1\n" in shown.text
    assert "0 of 4 jobs done in 0:00, stopped; run the same command again to resume" in shown.text


def test_the_summary_lists_the_main_outputs():
    shown = Shown()
    shown.handle(*[job_info(fold) for fold in range(3)])
    shown.handle(job_info(3, output=["results/submission.csv", "results/store/a.h5"]))
    shown.now += 3723
    for fold in range(4):
        shown.finish(fold, done=fold + 1)
    shown.run.close()
    assert shown.text.endswith(
        "4 jobs done in 1:02:03\nLook at\n    results/submission.csv\n    results/models/*/*/fold*/curves.png\n"
    )


def test_the_viewer_comes_first_and_exports_are_one_folder():
    output = ["results/cells/test.parquet", "results/view/style.css", "results/view/index.html"]
    shown = ["results/view/index.html", "results/cells/test.parquet"]
    assert to_look_at(output) == shown
    for made in (["test.h5ad", "test.csv.gz", "test.csv.gz.checksum"], ["test/geojson"]):
        assert to_look_at([f"results/export/{name}" for name in made] + output) == [*shown, "results/export/"]


def test_many_paths_are_shortened_to_patterns():
    few = ["results/masks/b/1.png", "results/masks/b/0.png", "results/masks/a/0.png", "results/score/a.csv"]
    assert to_look_at(few) == ["results/score/a.csv", "results/masks/a/0.png", "results/masks/b/0.png"]
    many = [f"results/masks/{name}/0.png" for name in "abcdefg"] + [
        "results/submission.csv",
        "results/score.csv",
    ]
    assert to_look_at(many) == ["results/submission.csv", "results/masks/*/*.png"]


CHANGED = (
    "Missing output files: x; Params have changed since last execution: Union of exclusive params before and now "
    "across all output: before: 'code of train: 1a','training.loss.kind: \"bce\"' now: 'code of train: 2b',"
    "'training.loss.kind: \"focal\"','training.seed: 3' "
)


@pytest.mark.parametrize("terminal", [True, False])
def test_changed_settings_are_shown_once_with_both_values(terminal):
    shown = Shown(terminal)
    for fold in (1, 2):
        shown.handle(job_info(fold, reason=CHANGED))
    for change in (
        "changed: code of train: 1a -> 2b",
        'changed: training.loss.kind: "bce" -> "focal"',
        "changed: training.seed: not set -> 3",
    ):
        assert shown.text.count(change) == 1


@pytest.mark.parametrize("options", [{}, {"terminal": True}, {"quiet": True}])
def test_what_looks_wrong_is_shown_below_the_summary(options):
    shown = Shown(**options)
    for fold in (1, 2, 3, 4):
        shown.handle(job_info(fold))
    shown.handle(record(None, "2 things look wrong\n    train: dark", logging.WARNING, at_end=True))
    assert "look wrong" not in shown.text
    for fold in (1, 2, 3, 4):
        shown.finish(fold, fold)
    shown.run.close()
    assert shown.text.endswith("2 things look wrong\n    train: dark\n")
    assert ("jobs done in" in shown.text) != options.get("quiet", False)


def test_verbose_adds_the_reason():
    shown = Shown(settings=OutputSettings(verbose=True), verbose=True)
    shown.handle(job_info(1))
    assert "Reason: Missing output files: x" in shown.text and "started: " in shown.text


def test_messages_before_any_job_are_shown_without_bars_or_summary():
    shown = Shown()
    shown.handle(record(LogEvent.ERROR, "WorkflowError:\nfield x: red is missing", logging.ERROR))
    shown.run.close()
    assert shown.text.endswith("total 4\nWorkflowError:\nfield x: red is missing\n")


def test_unreadable_reports_are_skipped():
    job = Job("a", LOG.format(1), [], 0.0)
    shown = Shown()
    shown.report(1, done=1, total=2).write_text('{"done": ')
    job.read_report(shown.run.folder)
    assert job.report == Report() and job.report.seconds_left is None
    shown.report(1, done=1, total=2, elapsed=5.0, more="of another version")
    job.read_report(shown.run.folder)
    assert job.report.seconds_left == 5.0


def test_durations():
    assert [duration(seconds) for seconds in (0.4, 75, 3600)] == ["0:00", "1:15", "1:00:00"]


def test_files_in_a_bucket_are_shown_with_their_urls(folder):
    """Snakemake adds what it will do with each file."""
    shown = Shown()
    url = f"s3://b/run/{LOG.format(1)}"
    picture = "s3://b/run/results/score/test.png"
    names = {"log": [f"{url} (send to storage)"], "output": [f"{picture} (send to storage)"]}
    shown.handle(job_info(1, **names))
    shown.handle(record(msg="Storing in storage: s3://b/run/x"), record(msg="Finished upload."))
    log = folder / ".snakemake/storage/s3/b/run" / LOG.format(1)
    log.parent.mkdir(parents=True)
    log.write_text("what went wrong")
    shown.handle(job_error(1, names["log"]))
    text = shown.text
    assert "what went wrong" in text
    assert f"log: {url}\n" in text
    assert "Storing" not in text and "Finished upload" not in text
    assert "(send to storage)" not in text
