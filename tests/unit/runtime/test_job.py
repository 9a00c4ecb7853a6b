import subprocess
import sys

import pytest

SCRIPT = """
import os, sys, logging
from puzzlecell.runtime.job import job
with job("a task", "{log}", {{"gamma": 0.5}}) as progress:
    print("printed")
    os.system("echo from a child process")
    logging.getLogger("x").info("logged")
    for done in range(1, 4):
        progress(done, 3, "fields")
    {last}
"""


def run(tmp_path, last="pass"):
    log = tmp_path / "logs" / "a.log"
    script = SCRIPT.format(log=log, last=last)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    return done, log.read_text()


def test_everything_goes_to_the_log_and_progress_to_the_terminal_too(tmp_path):
    done, log = run(tmp_path)
    assert done.returncode == 0
    for text in (
        "a task; puzzlecell",
        '{"gamma": 0.5}',
        "printed",
        "from a child process",
        "logged",
        "3/3 fields",
    ):
        assert text in log
    assert done.stdout == ""
    assert "a task: 3/3 fields" in done.stderr
    assert "printed" not in done.stderr


def test_an_error_is_told_on_the_terminal_and_traced_in_the_log(tmp_path):
    done, log = run(tmp_path, 'raise ValueError("field x: red is missing")')
    assert done.returncode == 1
    assert "a task: ValueError: field x: red is missing" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in log


@pytest.mark.parametrize("available", [1, 4])
def test_cores_count_up_to_what_the_machine_has(monkeypatch, available):
    from puzzlecell.runtime import threads as scheduling

    monkeypatch.setattr(scheduling.os, "sched_getaffinity", lambda _: set(range(available)), raising=False)
    assert scheduling.machine_cores(2) == min(2, available)
    assert scheduling.machine_cores(10) == available
    assert scheduling.machine_cores(None) is None
