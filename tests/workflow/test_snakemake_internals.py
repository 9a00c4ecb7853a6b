"""The Snakemake internals that puzzlecell relies on, each tested in a workflow of a few lines."""

import os
import pathlib
import subprocess
import sys
from types import SimpleNamespace

import pytest

from puzzlecell.runtime.snakemake_internals import limit_cores

HEAD = """
from puzzlecell.runtime.snakemake_internals import *
from puzzlecell.runtime.tracking import Untracked

"""


@pytest.fixture
def workflow(tmp_path, monkeypatch):
    """A function that calls Snakemake on a Snakefile; its attribute `write` writes the Snakefile."""
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "Snakefile").write_text(HEAD + text)

    def call(*arguments):
        command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
        return done.stdout

    call.write = write
    return call


def test_a_configuration_on_the_command_line_is_detected(workflow, tmp_path):
    workflow.write("print('own:', has_own_configuration(workflow))\nrule all:\n    input: []\n")
    (tmp_path / "a.yaml").write_text("a: 1")
    assert "own: False" in workflow("-n")
    assert "own: True" in workflow("-n", "--configfile", "a.yaml")
    assert "own: False" in workflow("-n", "--config", "key=1")


def test_the_files_of_the_configuration_are_known(workflow, tmp_path):
    workflow.write(
        "print('files:', *configuration_files(workflow, 'default.yaml'))\nrule all:\n    input: []\n"
    )
    (tmp_path / "a.yaml").write_text("a: 1")
    (tmp_path / "b.yaml").write_text("b: 1")
    assert "files: default.yaml\n" in workflow("-n", "--config", "key=1")
    assert "files: a.yaml b.yaml\n" in workflow("-n", "--configfile", "a.yaml", str(tmp_path / "b.yaml"))


REPORTED = """
def report():
    return f"report: {len(planned_wildcards(workflow, 'make'))} jobs"

after_dry_run(workflow, report)
rule all:
    input: 'a.txt', 'b.txt'
rule make:
    output: touch('{name}.txt')
"""


def test_a_report_ends_a_dry_run_and_nothing_else(workflow):
    workflow.write(REPORTED)
    assert workflow("-n").splitlines()[-1] == "report: 2 jobs"
    assert workflow("-n", "--quiet", "all").splitlines()[-1] == "report: 2 jobs"
    for other in ("--lint", "--dag", "--summary", "--touch"):
        assert "report:" not in workflow(other)
    assert "report:" not in workflow()
    assert "report:" not in workflow("-n"), "nothing is planned"
    pathlib.Path("a.txt").unlink()
    assert workflow("-n").splitlines()[-1] == "report: 1 jobs"
    workflow.write(REPORTED.replace("return f", "return '' and f"))
    assert "This was a dry-run" in workflow("-n").splitlines()[-1]


def test_the_gpus_of_planned_jobs_are_known(workflow):
    workflow.write(
        "onstart:\n    print('gpus:', planned_gpus(workflow))\n"
        "rule all:\n    input: 'a.txt', 'b.txt', 'c.txt'\n"
        "rule make:\n    output: touch('{name}.txt')\n"
        "    resources: gpu=lambda wildcards: {'a': 0, 'b': 3, 'c': 1}[wildcards.name]\n"
    )
    assert "gpus: 3" in workflow("--until", "make")
    pathlib.Path("a.txt").unlink()
    assert "gpus: 0" in workflow("a.txt")


def test_cores_are_limited_to_those_of_the_machine(workflow):
    workflow.write("limit_cores(workflow)\nrule all:\n    output: touch('a')\n")
    assert f"Provided cores: {len(os.sched_getaffinity(0))}\n" in workflow("--cores", "1000")


def test_cores_of_a_cluster_are_not_limited_to_those_of_the_login_node(monkeypatch):
    given = SimpleNamespace(
        is_main_process=True,
        global_resources={"_cores": SimpleNamespace(value=1000)},
        execute=lambda **_: None,
    )
    given.register_resource = lambda name, value: given.global_resources.update({name: value})
    limit_cores(given)
    for local, expected in ((False, 1000), (True, len(os.sched_getaffinity(0)))):
        executor = SimpleNamespace(common_settings=SimpleNamespace(local_exec=local))
        given.execute(executor_plugin=executor)
        found = given.global_resources["_cores"]
        assert getattr(found, "value", found) == expected


def test_the_jobs_of_a_run_are_known_before_it_starts(workflow):
    workflow.write(
        "onstart:\n    print('jobs:', sorted(w.name for w in planned_wildcards(workflow, 'make')))\n"
        "rule all:\n    input: 'a.txt', 'b.txt'\nrule make:\n    output: touch('{name}.txt')\n"
    )
    assert "jobs: ['a', 'b']" in workflow()
    pathlib.Path("b.txt").unlink()
    assert "jobs: ['b']" in workflow()


PARAMETERS = """
rule all:
    output:
        touch("a.txt"),
    params:
        tracked={tracked!r},
        free=Untracked({free!r}),
"""


def test_untracked_parameters_rerun_nothing_and_others_say_why(workflow):
    workflow.write(PARAMETERS.format(tracked="gamma: 1", free=1))
    workflow()
    workflow.write(PARAMETERS.format(tracked="gamma: 1", free=2))
    assert "Nothing to be done" in workflow()
    workflow.write(PARAMETERS.format(tracked="gamma: 2", free=2))
    assert "before: 'gamma: 1' now: 'gamma: 2'" in workflow("-n")


FOLDERS = """
before_snakemake_writes(workflow, lambda: print("before the first file"))
print("temporary:", *temporary_folders(workflow))
onstart:
    print("planned:", *sorted(map(str, planned_folders(workflow))))
rule all:
    input: 'made/below/a.txt'
rule make:
    output: 'made/below/a.txt'
    log: 'logs/a.log'
    benchmark: 'benchmarks/a.tsv'
    shell: 'touch {output} {log}'
"""


def test_folders_of_the_run_and_of_its_jobs_are_known(workflow, tmp_path, monkeypatch):
    for name in ("TMPDIR", "XDG_CACHE_HOME"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    workflow.write(FOLDERS)
    shown = workflow()
    assert "planned: benchmarks logs made/below\n" in shown
    assert "before the first file\n" in shown
    folders = shown.split("temporary: ")[1].splitlines()[0].split()
    assert [pathlib.Path(folder).relative_to(tmp_path).parts[0] for folder in folders] == [
        "TMPDIR",
        "XDG_CACHE_HOME",
    ]
    assert not any(map(os.path.exists, folders))
    assert "before the first file" not in workflow("-n", "--forcerun", "make")


TERMINATED = """
import os, signal
from snakemake.scheduling.job_scheduler import JobScheduler

for _ in range(2):
    heed_sigterm()
finish = JobScheduler._finish_jobs

def finish_and_terminate(scheduler):
    if [job.rule.name for job in scheduler._tofinish] == ["first"]:
        assert scheduler._lock.locked()
        os.kill(os.getpid(), signal.SIGTERM)
    finish(scheduler)

JobScheduler._finish_jobs = finish_and_terminate
rule all:
    input: 'third.txt'
rule third:
    input: 'second.txt'
    output: touch('third.txt')
rule second:
    input: 'first.txt'
    output: touch('second.txt')
rule first:
    output: touch('first.txt')
"""


def test_a_run_ends_on_sigterm_while_its_scheduler_holds_its_lock(workflow):
    workflow.write(TERMINATED)
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    assert done.returncode == 1, done.stdout
    assert "Will exit after finishing currently running jobs" in done.stdout
    assert pathlib.Path("first.txt").exists() and not pathlib.Path("third.txt").exists()
