import json
import subprocess
import sys

SCRIPT = """
import os, logging
from types import SimpleNamespace
from puzzlecell.config.steps import Step1Settings
from puzzlecell.runtime.job import job

snakemake = SimpleNamespace(
    rule="step1", wildcards=["test", "000"], threads=3, log=LOG, output=[OUTPUT],
    params={{"settings": Step1Settings(quantile=0.5)}},
)
with job(snakemake) as progress:
    print("printed")
    os.system("echo from a child process")
    logging.getLogger("puzzlecell.x").warning("darker than usual")
    for done in range(1, 4):
        progress(done, 3, "fields")
    {last}
"""


def run(tmp_path, last="pass", log=("logs/a.log",), environment=None):
    script = SCRIPT.format(last=last).replace("LOG", repr([str(tmp_path / path) for path in log]))
    script = script.replace("OUTPUT", repr(str(tmp_path / "out" / "000.csv")))
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)


def test_everything_is_logged_and_progress_is_also_shown(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 0
    first, second, *rest = (tmp_path / "logs/a.log").read_text().splitlines()
    assert "step1 test/000; puzzlecell" in first
    assert first.endswith("; threads: 3")
    assert '"quantile":0.5' in second
    for text in ("printed", "from a child process", "darker than usual", "3/3 fields"):
        assert any(text in line for line in rest)
    assert done.stdout == ""
    assert "step1 test/000: 3/3 fields" in done.stderr
    assert "printed" not in done.stderr


def test_error_messages_are_shown_and_tracebacks_are_logged(tmp_path):
    done = run(tmp_path, 'raise ValueError("field x: red is missing")')
    assert done.returncode == 1
    assert "step1 test/000: ValueError: field x: red is missing" in done.stderr
    assert "a.log" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in (tmp_path / "logs/a.log").read_text()


def test_errors_that_users_can_mend_have_no_traceback_and_bugs_ask_for_a_report(tmp_path):
    mended = "from puzzlecell.errors import UserError; raise UserError('red is missing')"
    done = run(tmp_path, mended)
    assert done.returncode == 1
    assert "step1 test/000: red is missing" in done.stderr
    assert "report" not in done.stderr
    assert "Traceback" not in (tmp_path / "logs/a.log").read_text()
    assert "please report it" in run(tmp_path, "raise KeyError('x')").stderr


def test_the_log_of_a_failed_attempt_is_kept_until_the_job_succeeds(tmp_path):
    """Snakemake deletes the log before it runs a job again."""
    log = tmp_path / "logs/a.log"
    assert run(tmp_path, "os.kill(os.getpid(), 9)").returncode == -9
    log.unlink()
    assert run(tmp_path, "raise ValueError('second attempt')").returncode == 1
    log.unlink()
    assert run(tmp_path).returncode == 0
    text = log.read_text()
    assert text.count("step1 test/000; puzzlecell") == 3
    assert "second attempt" in text
    assert [path.name for path in log.parent.iterdir()] == ["a.log"]
    log.unlink()
    assert run(tmp_path).returncode == 0
    assert "second attempt" not in log.read_text()


def test_half_written_outputs_of_a_killed_attempt_are_removed(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    for name in (".000.77.partial.csv", ".001.77.partial.csv", "000.txt"):
        (folder / name).write_text("half")
    assert run(tmp_path).returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == ["000.txt", ".001.77.partial.csv"][::-1]


def test_with_a_display_status_files_replace_lines(tmp_path):
    import os

    environment = {**os.environ, "PUZZLECELL_PROGRESS": str(tmp_path / "status")}
    done = run(tmp_path, 'raise ValueError("field x")', environment=environment)
    assert done.stderr == ""
    (path,) = (tmp_path / "status").iterdir()
    assert path.name == f"{tmp_path / 'logs/a.log'}.json".replace("/", "%2F")
    status = json.loads(path.read_text())
    assert (status["done"], status["warnings"]) == (3, ["darker than usual"])
    assert status["error"].startswith("ValueError: field x\n")


def test_without_a_log_output_is_not_redirected(tmp_path):
    done = run(tmp_path, log=())
    assert "printed" in done.stdout
    assert "3/3 fields" in done.stderr
