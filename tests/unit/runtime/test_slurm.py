import subprocess

import pytest

from puzzlecell.runtime.slurm import given_gpus, partition_problem, place, queued_jobs_problem


def answering(text):
    """A command of SLURM that prints a text."""
    return lambda command, **options: text


def failing(command, **options):
    raise subprocess.CalledProcessError(1, command)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n1"}, "SLURM job 7 on n1, no GPU"),
        (
            {"SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n1", "SLURM_JOB_GPUS": "2,3"},
            "SLURM job 7 on n1, GPUs 2,3",
        ),
    ],
)
def test_a_job_knows_where_it_runs(environment, expected):
    assert place(environment) == expected


def test_the_gpus_of_the_step_count_before_those_of_the_job():
    assert given_gpus({"SLURM_JOB_GPUS": "0,1", "SLURM_STEP_GPUS": "1"}) == "1"
    assert given_gpus({"SLURM_STEP_GPUS": ""}) is None


def test_jobs_of_an_earlier_run_in_this_folder_are_found(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    queue = f"5|{tmp_path}/link|rule_train_wildcards_a_b_1\n6|/elsewhere|rule_train\n7|{tmp_path}|(null)\nodd line\n"
    problem = queued_jobs_problem(tmp_path, answering(queue))
    assert "1 job(s)" in problem
    assert "scancel 5 " in problem
    assert "5: rule_train_wildcards_a_b_1" in problem
    assert queued_jobs_problem(tmp_path / "other", answering(queue)) is None
    assert "cannot be asked for its queue" in queued_jobs_problem(tmp_path, failing)


@pytest.mark.parametrize(
    ("partitions", "there", "missing"),
    [
        ("{cpu: {}, gpu: {max_gpu: 2}}", "cpu\nlong\n", "no partition gpu; it has cpu, long"),
        ("{cpu: {}}", "cpu\nlong\n", None),
        ("{gpu: {cluster: other}}", "cpu\n", None),
        ("[1, 2]", "cpu\n", None),
        ("{cpu: {}}", "", None),
    ],
)
def test_partitions_that_the_cluster_lacks_are_named(tmp_path, partitions, there, missing):
    path = tmp_path / "partitions.yaml"
    path.write_text(f"partitions: {partitions}\n")
    problem = partition_problem(path, answering(there))
    assert (problem is None) == (missing is None)
    if missing:
        assert missing in problem
        assert f"generate-slurm-partition-config -o {path}" in problem
