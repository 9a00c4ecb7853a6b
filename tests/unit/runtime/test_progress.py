import io
import json

import pytest

from puzzlecell.runtime.progress import Reporter, default_progress, status_path


class Clock:
    """Seconds that a test sets."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_lines_are_rate_limited_but_texts_and_the_end_are_shown(clock, caplog):
    caplog.set_level("INFO")
    terminal = io.StringIO()
    report = Reporter("fold 1", terminal=terminal, line_s=5, clock=clock)
    for done in range(1, 21):
        clock.now += 1
        report(done, 20, "epoch 1: fine" if done == 7 else "")
    lines = [
        "fold 1: 5/20 (5 s, 15 s left)",
        "fold 1: 7/20 epoch 1: fine (7 s, 13 s left)",
        "fold 1: 12/20 (12 s, 8 s left)",
        "fold 1: 17/20 (17 s, 3 s left)",
        "fold 1: 20/20 (20 s)",
    ]
    assert terminal.getvalue().splitlines() == lines
    assert [record.message for record in caplog.records] == lines


def test_with_a_display_the_status_file_is_written_instead_of_lines(clock, tmp_path):
    terminal, status = io.StringIO(), tmp_path / "status.json"
    report = Reporter("fold 1", terminal=terminal, status=status, status_s=1, clock=clock)
    report(1, 4, "first")
    clock.now += 0.5
    report(2, 4)
    assert json.loads(status.read_text()) == {
        "title": "fold 1",
        "done": 1,
        "total": 4,
        "text": "first",
        "elapsed": 0,
        "notes": [],
        "warnings": [],
        "error": None,
    }
    clock.now += 0.5
    report(3, 4)
    report.warn("darker than usual")
    report.fail("ValueError: no", "a.log")
    found = json.loads(status.read_text())
    assert (found["done"], found["text"], found["elapsed"]) == (3, "first", 1)
    assert (found["warnings"], found["error"]) == (["darker than usual"], "ValueError: no")
    assert terminal.getvalue() == ""


def test_without_a_display_warnings_go_to_the_terminal(clock):
    terminal = io.StringIO()
    Reporter("fold 1", terminal=terminal, clock=clock).warn("darker than usual")
    assert terminal.getvalue() == "fold 1: darker than usual\n"


def test_a_child_process_reports_to_the_status_file_of_its_job(tmp_path, monkeypatch):
    monkeypatch.setenv("PUZZLECELL_STATUS_FILE", str(tmp_path / "status.json"))
    default_progress("fold 1")(4, 4)
    assert json.loads((tmp_path / "status.json").read_text())["done"] == 4


@pytest.mark.parametrize(
    "log",
    [
        "results/logs/train/a.log",
        ".snakemake/storage/s3/b/run/results/logs/train/a.log",
        "s3://b/run/results/logs/train/a.log",
        "s3://b/results/results/logs/train/a.log",
    ],
)
def test_job_and_display_agree_on_the_status_file_of_a_log_in_a_bucket(log):
    assert status_path("x", log) == status_path("x", "results/logs/train/a.log")
    assert status_path("x", log) != status_path("x", "results/logs/train/b.log")
