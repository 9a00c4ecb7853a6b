import json
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from puzzlecell.runtime.process import start_time, this_process
from puzzlecell.runtime.run_record import (
    LAST_REQUEST,
    RECORDS,
    RUN,
    SCRIPTS,
    RunRequest,
    announce_run,
    keep_request,
    last_request,
    remove_scripts_of_killed_runs,
    run_of_this_job,
    runs_here,
)

HERE = this_process()
KILLED = replace(HERE, started="1")
FIRST = replace(HERE, pid=1, started=start_time(1))
"""The first process of the system, which runs as long as any other."""


def test_only_jobs_of_this_machine_know_their_run_and_its_record_ends_with_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(RUN, "of another run")
    announce_run(own_jobs=True)
    assert run_of_this_job() == this_process()
    announce_run(own_jobs=False)
    assert run_of_this_job() is None
    (record,) = RECORDS.iterdir()
    script = "from puzzlecell.runtime.run_record import announce_run; announce_run(own_jobs=True)"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert list(RECORDS.iterdir()) == [record]


@pytest.mark.parametrize(
    ("run", "own_jobs", "left"),
    [
        (None, None, []),
        (HERE, True, ["record"]),
        (KILLED, True, []),
        (KILLED, False, ["record", "script"]),
        (FIRST, True, ["record", "script"]),
        (replace(HERE, namespace="of a container"), True, ["record", "script"]),
    ],
    ids=["none", "own", "killed", "killed, its cluster jobs go on", "running", "elsewhere"],
)
def test_scripts_are_removed_unless_a_job_may_use_them(tmp_path, monkeypatch, run, own_jobs, left):
    monkeypatch.chdir(tmp_path)
    for folder in (SCRIPTS, RECORDS):
        folder.mkdir(parents=True)
    files = {"record": RECORDS / "a.json", "script": SCRIPTS / "tmpabc.train.py"}
    files["script"].touch()
    if run is not None:
        files["record"].write_text(json.dumps({"process": asdict(run), "own_jobs": own_jobs}))
    remove_scripts_of_killed_runs()
    assert [name for name, path in files.items() if path.exists()] == left
    if left and not own_jobs:
        # Known from the queue of the cluster.
        remove_scripts_of_killed_runs(no_job_queued=True)
        assert not any(path.exists() for path in files.values())


def test_what_the_last_run_was_asked_for_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert last_request() is None
    request = RunRequest("Snakefile", ("config/a.yaml", "config/b.yaml"), ("all",), "s3://bucket/run")
    keep_request(request)
    assert last_request() == request
    for damaged in ("{", "[]", '{"snakefile": "Snakefile"}'):
        LAST_REQUEST.write_text(damaged)
        assert last_request() is None


def test_runs_that_work_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    RECORDS.mkdir(parents=True)
    elsewhere = replace(HERE, namespace="of a container")
    for number, process in enumerate((KILLED, FIRST, elsewhere)):
        (RECORDS / f"{number}.json").write_text(json.dumps({"process": asdict(process), "own_jobs": True}))
    (RECORDS / "3.json").write_text("{")
    assert runs_here() == [FIRST, elsewhere]
