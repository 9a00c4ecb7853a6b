"""How the last attempt of a job ended, as its log tells; the logs are written by `job` itself."""

import subprocess
import sys

import pytest

from puzzlecell.runtime.job import kept_log
from puzzlecell.runtime.job_log import last_attempt

START = "10:00:00 puzzlecell.runtime.job: train a/1; puzzlecell 0.1.0, Python 3.11.7, Linux; threads: 1\n"
PROGRESS = "10:00:05 puzzlecell.runtime.progress: train a/1: 1/9 epoch 1 (5 s)\n"
ERROR = "10:00:06 puzzlecell.runtime.job: train a/1 failed: results/a.h5: damaged; delete this file\n"
BUG = (
    "10:00:06 puzzlecell.runtime.job: train a/1 failed\n"
    'Traceback (most recent call last):\n  File "x.py", line 1, in main\nValueError: no such thing\n\n'
)
DONE = "10:00:09 puzzlecell.runtime.job: train a/1: done in 9.0 s\n"


@pytest.mark.parametrize(
    ("text", "end", "line"),
    [
        (START + PROGRESS, "open", PROGRESS),
        (START + PROGRESS + DONE, "done", DONE),
        (START + ERROR, "failed", ERROR),
        (START + ERROR + "a worker ends\n", "failed", ERROR),
        (START + BUG, "failed", "ValueError: no such thing"),
        (START + ERROR + START + PROGRESS, "open", PROGRESS),
        (START + DONE + START + ERROR, "failed", ERROR),
        ("something of a library\n", "open", "something of a library"),
    ],
)
def test_the_last_attempt(tmp_path, text, end, line):
    (tmp_path / "a.log").write_text(text)
    found = last_attempt(tmp_path / "a.log")
    assert (found.end, found.line) == (end, line.rstrip("\n"))


def test_no_log_says_nothing(tmp_path):
    assert last_attempt(tmp_path / "a.log") is None
    (tmp_path / "a.log").touch()
    assert last_attempt(tmp_path / "a.log") is None
    kept_log(tmp_path / "a.log").write_text(START + ERROR)
    assert last_attempt(tmp_path / "a.log").end == "failed"


@pytest.mark.parametrize(
    ("body", "end", "line"),
    [
        ("pass", "done", "make a: done in"),
        ("raise UserError('too small')", "failed", "make a failed: too small"),
        ("raise ValueError('odd')", "failed", "ValueError: odd"),
        ("os.kill(os.getpid(), 9)", "open", "threads: 1"),
    ],
)
def test_logs_of_real_jobs(tmp_path, body, end, line):
    code = f"""
import os
from types import SimpleNamespace
from puzzlecell.errors import UserError
from puzzlecell.runtime.job import job
given = SimpleNamespace(rule="make", wildcards=["a"], log=["a.log"], output=[], params={{}}, threads=1)
with job(given):
    {body}
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
    found = last_attempt(tmp_path / "a.log")
    assert found.end == end
    assert line in found.line
