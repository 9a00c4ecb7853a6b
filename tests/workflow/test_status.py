"""`puzzlecell status`: the states of all jobs of the run in a folder."""

import json
import re
import subprocess
import sys
from dataclasses import asdict, replace

from puzzlecell.runtime.claim import Holder, claim_path
from puzzlecell.runtime.process import start_time, this_process

COMMAND = [
    sys.executable,
    "-c",
    "import sys; from puzzlecell.cli.main import main; sys.exit(main())",
    "status",
]
FIRST = replace(this_process(), pid=1, started=start_time(1))
KILLED = replace(FIRST, started="1")
START = "10:00:00 puzzlecell.runtime.job: x; puzzlecell 0.1.0, Python 3.11.7, Linux; threads: 1\n"
ERROR = "10:00:06 puzzlecell.runtime.job: x failed: results/a.h5: damaged; delete this file\n"
PROGRESS = "10:00:05 puzzlecell.runtime.progress: x: 1/9 (5 s)\n"


def status(project, *arguments, cwd=None):
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd or project.folder,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    rows = re.findall(r"^([a-z_0-9]+(?: jobs)?) +([-0-9 ]+)$", done.stdout, re.MULTILINE)
    return done, {
        name: [int(number.replace("-", "0")) for number in numbers.split()] for name, numbers in rows
    }


def files(project):
    return {
        path: path.stat().st_mtime_ns
        for path in project.folder.rglob("*")
        if path.is_file() and "__pycache__" not in str(path)
    }


def test_a_finished_run_is_done(finished, tmp_path):
    """Configuration and targets are those of the last run."""
    done, rows = status(finished, "--directory", str(finished.folder), cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("default target, config/tiny.yaml\n")
    assert rows["train"] == [6, 0, 0, 0, 0]
    assert rows["all jobs"][0] > 40
    assert rows["all jobs"][1:] == [0, 0, 0, 0]
    assert "Snakemake: not running here" in done.stdout


def unmade(project, stage, *texts, holder=None):
    """Remove what step 1 of a shard has made, and leave this log and claim."""
    stem = project.folder / f"results/step1/test/tiny.{stage}/000"
    for ending in (".parquet", ".images.parquet"):
        stem.with_name(f"000{ending}").unlink()
    log = project.folder / f"results/logs/step1/test/tiny.{stage}/000.log"
    log.write_text("".join(texts))
    if holder is not None:
        claim_path(log).write_text(json.dumps(asdict(holder)))


def test_each_job_has_a_state(changed):
    """Also while another Snakemake holds the lock of the folder; nothing is written."""
    unmade(changed, "stage2", START, ERROR)
    unmade(changed, "stage3", START, PROGRESS, holder=Holder(FIRST))
    made = ["step2/test/tiny.stage3/000.parquet", *(f"cells/{name}.parquet" for name in ("test", "holdout"))]
    # Snakemake does not miss files from which nothing is to be made any more.
    made += [f"{kind}/{name}.csv" for kind in ("score", "fields") for name in ("test", "holdout")]
    for name in [*made, "submission.csv"]:
        (changed.folder / "results" / name).unlink()
    log = changed.folder / "results/logs/step2/test/tiny.stage3/000.log"
    log.write_text(START + PROGRESS)
    claim_path(log).write_text(json.dumps(asdict(Holder(KILLED))))
    runs = changed.folder / ".snakemake/puzzlecell-runs"
    runs.mkdir(exist_ok=True)
    (runs / "a.json").write_text(json.dumps({"process": asdict(FIRST), "own_jobs": True}))
    locks = changed.folder / ".snakemake/locks"
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "0.output.lock").write_text("results/submission.csv\n")
    inventory = changed.folder / ".snakemake/iocache/latest.pkl"
    inventory.parent.mkdir(exist_ok=True)
    inventory.write_bytes(b"of a dry run")
    before = files(changed)
    done, rows = status(changed)
    assert done.returncode == 3, done.stdout
    # done, running, failed, stopped, waiting
    assert rows["step1"] == [4, 1, 1, 0, 0]
    assert rows["step2"] == [2, 0, 0, 1, 0]
    assert rows["ensemble"] == [0, 0, 0, 0, 2]
    assert rows["submission"] == [0, 0, 0, 0, 1]
    assert rows["train"] == [6, 0, 0, 0, 0]
    shown = done.stdout.splitlines()
    failed = shown.index("failed: step1 test/tiny/stage2/000")
    assert shown[failed + 1 : failed + 3] == [
        f"    {ERROR.strip()}",
        "    see results/logs/step1/test/tiny.stage2/000.log",
    ]
    assert f"running: step1 test/tiny/stage3/000 (process 1 on {FIRST.host})" in shown
    assert "stopped: step2 test/tiny/stage3/000" in shown
    assert f"Snakemake: running (process 1 on {FIRST.host})" in shown
    assert files(changed) == before
    # Nothing behind these targets has failed, and all of it is there.
    done, rows = status(changed, "models")
    assert done.returncode == 0, done.stdout
    done, rows = status(changed, "results/cells/holdout.parquet")
    assert done.returncode == 4, done.stdout
    assert rows["all jobs"][1:] == [0, 0, 0, 1]


def test_before_the_first_run(fresh):
    before = files(fresh)
    done, rows = status(fresh, "folds", "--configfile", "config/tiny.yaml")
    assert done.returncode == 4, done.stdout
    assert rows["all jobs"] == [0, 0, 0, 0, 3]
    assert files(fresh) == before
    (fresh.folder / ".snakemake").mkdir()
    request = {"snakefile": "Snakefile", "configfiles": [], "targets": [], "bucket": "s3://bucket/run"}
    (fresh.folder / ".snakemake/puzzlecell-last-run.json").write_text(json.dumps(request))
    done, _ = status(fresh)
    assert done.returncode == 1
    assert done.stdout.startswith(
        "puzzlecell: the last run in this folder keeps its files in s3://bucket/run; "
    )
    (fresh.folder / ".snakemake/puzzlecell-last-run.json").unlink()
    done, _ = status(fresh, "--configfile", "config/none.yaml")
    assert done.returncode == 1
    assert "--configfile: there is no file" in done.stdout
