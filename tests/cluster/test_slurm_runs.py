"""The tiny pipeline through a real SLURM: same bytes, GPUs, limits, and faults of jobs, nodes and the controller."""

import re
import shutil
import signal
import sys

import pytest
from cluster_runs import TARGET, ClusterRun, after, log_of

pytestmark = pytest.mark.cluster


def test_a_cluster_gives_the_same_bytes_as_this_machine(cluster, reference, project):
    with ClusterRun(project, cluster) as run:
        run.finish()
    same_submission(project, reference)
    jobs = jobs_of(project, cluster)
    # Networks ask for a GPU and get it, other jobs do not.
    gpus = {job["rule"]: job.get("TresPerJob") for job in jobs}
    assert {rule for rule, given in gpus.items() if given == "gres:gpu:1"} == {"train", "step1", "step2"}
    assert {rule for rule, given in gpus.items() if given is None} >= {"simulate", "ingest", "segment"}
    assert {job["Partition"] for job in jobs if job.get("TresPerJob")} == {"gpu"}
    assert {job["Partition"] for job in jobs if not job.get("TresPerJob")} == {"cpu"}
    assert re.search(r"SLURM job \d+ on node\d, GPUs [01]\n", log_of(project, "train/tiny/stage2/fold1"))
    assert re.search(r"SLURM job \d+ on node\d, no GPU\n", log_of(project, "ingest/test/000"))
    # A job of seconds that reads a table is not worth a place in the queue.
    assert "split_folds" not in gpus
    assert len(jobs) == 25, [job["Comment"] for job in jobs]


def test_faults_of_jobs_nodes_and_the_controller_end_in_the_same_bytes(cluster, reference, project):
    """A main process killed, limits of memory and time, scancel, a node down, a restarted controller: one run each."""
    limits = [
        "segment:mem_mb=attempt*attempt*attempt*150",
        "train:runtime=2 if wildcards.stage + wildcards.fold == 'stage32' and attempt == 1 else 60",
        "train:slurm_extra='--signal=TERM@5'",
    ]
    arguments = ["--set-resources", *limits]
    first = "rule_train_wildcards_tiny_stage1_1"
    with ClusterRun(project, cluster, *arguments) as run:
        run.hold("tiny/stage1/fold1")
        run.process.send_signal(signal.SIGKILL)
        run.process.wait()
    # The jobs of the killed run are still there: nothing is submitted twice.
    assert project.run("--unlock", TARGET, configuration="config/cluster.yaml").returncode == 0
    with ClusterRun(project, cluster, *arguments) as run:
        assert run.process.wait(120) == 1
        left = re.search(r"SLURM still has \d+ job\(s\).*scancel ([\d ]+)", run.text, re.DOTALL)
        assert left, run.text[-4000:]
        assert run.running(first) in left[1].split()
        cluster.run("scancel", *left[1].split())
        cluster.wait_for("the jobs have ended", lambda: not cluster.jobs())
    assert "SIGTERM received: saving" in log_of(project, "train/tiny/stage1/fold1")

    with ClusterRun(project, cluster, *arguments) as run:
        log = "train/tiny/stage3/fold1"
        run.hold("tiny/stage3/fold1", "tiny/stage3/fold2")
        cluster.stop_controller()
        run.wait_for("some seconds without a controller", after(6))
        cluster.start_controller()

        comment = "rule_train_wildcards_tiny_stage3_1"
        cancelled = run.running(comment)
        cluster.run("scancel", cancelled)
        run.wait_for("it runs again", lambda: run.running(comment) not in (None, cancelled))
        assert "SIGTERM received: saving" in log_of(project, log)

        run.wait_for("it has resumed", lambda: log_of(project, log).count("resuming from") == 1)
        run.hold("tiny/stage3/fold1")
        number = run.running(comment)
        node = cluster.jobs()[number]["node"]
        cluster.set_node(node, "down")
        run.wait_for(
            "it runs elsewhere",
            lambda: run.running(comment) == number and cluster.jobs()[number]["node"] != node,
        )
        cluster.set_node(node, "resume")
        run.finish()
    same_submission(project, reference)
    assert log_of(project, log).count("resuming from") == 2
    assert "resuming from" in log_of(project, "train/tiny/stage3/fold2")
    for name in ("stage1/fold1", "stage3/fold1", "stage3/fold2"):
        assert "starting again" not in log_of(project, f"train/tiny/{name}")
    jobs = jobs_of(project, cluster)
    assert [job["Restarts"] for job in jobs if job["JobId"] == number] == ["1"]
    # What was stopped by a limit came back with a higher one. Each run starts at the first limit, so it may recur.
    segmented = [job["MinMemoryNode"] for job in jobs if job["Comment"] == "rule_segment_wildcards_test_000"]
    assert segmented[-2:] == ["150M", "1200M"]
    timed = [(job["JobState"], job["TimeLimit"]) for job in jobs if job["Comment"].endswith("stage3_2")]
    assert timed[0][1] == "00:02:00"
    assert timed[-1] == ("COMPLETED", "01:00:00")


@pytest.mark.parametrize(
    ("resources", "requested"),
    [(["train:gpu=2"], "TresPerJob"), (["train:gpu=0", "train:gres='gpu:2'"], "TresPerNode")],
)
def test_several_gpus_of_one_node_by_either_option(cluster, reference, tmp_path, resources, requested):
    project = reference.copy(tmp_path / "project")
    model = "results/models/tiny/stage1/fold1/model.safetensors"
    (project.folder / model).unlink()
    with ClusterRun(project, cluster, "--set-resources", *resources, target=model) as run:
        run.finish()
    (job,) = jobs_of(project, cluster)
    assert (job[requested], job["NumNodes"]) == ("gres:gpu:2", "1")
    assert re.search(r"SLURM job \d+ on node\d, GPUs 0[,-]1\n", log_of(project, "train/tiny/stage1/fold1"))


def test_jobs_on_one_node_see_only_their_own_gpu(cluster, tmp_path):
    show = "import os, time; time.sleep(2); print(os.environ['CUDA_VISIBLE_DEVICES'])"
    for name in ("a", "b"):
        output = f"--output={tmp_path / name}"
        wrapped = f'srun -n1 --gpus=1 {sys.executable} -c "{show}"'
        cluster.run("sbatch", "--nodelist=node1", "--gpus=1", "--mem=100", output, f"--wrap={wrapped}")
    cluster.wait_for("both are done", lambda: not cluster.jobs())
    assert {(tmp_path / name).read_text().strip() for name in ("a", "b")} == {"0", "1"}


def test_a_copy_of_a_requeued_job_takes_over_from_the_first(cluster, reference, tmp_path):
    """A node that SLURM has lost goes on: its training saves its state and ends when the second copy starts."""
    project = reference.copy(tmp_path / "project")
    shutil.rmtree(project.folder / "results/models/tiny/stage3/fold1")
    target = "results/models/tiny/stage3/fold1/model.safetensors"
    comment = "rule_train_wildcards_tiny_stage3_1"
    with ClusterRun(project, cluster, target=target) as run:
        run.hold("tiny/stage3/fold1")
        number = run.running(comment)
        node = cluster.jobs()[number]["node"]
        cluster.kill_node(node)
        run.wait_for(
            "SLURM has started it again",
            lambda: run.running(comment) == number and cluster.jobs()[number]["node"] != node,
        )
        asked = project.folder / "results/logs/train/tiny/stage3/.fold1.log.claim.wanted"
        run.wait_for("the second copy asks for the job", asked.exists)
        run.let_go("tiny/stage3/fold1")
        run.finish()
        cluster.start_node(node)
    log = log_of(project, "train/tiny/stage3/fold1")
    assert "another copy of this job" in log
    assert "SIGTERM received: saving" in log
    assert "resuming from" in log
    assert (project.folder / target).read_bytes() == (reference.folder / target).read_bytes()


def test_partitions_that_the_cluster_lacks_are_reported_before_the_first_job(cluster, project):
    project.edit("profiles/slurm/partitions.yaml", "  gpu:", "  a100:")
    with ClusterRun(project, cluster) as run:
        assert run.process.wait(120) == 1
    assert "profiles/slurm/partitions.yaml: this cluster has no partition a100; it has cpu, gpu." in run.text
    assert not jobs_of(project, cluster)


def same_submission(project, reference):
    assert (project.folder / TARGET).read_bytes() == (reference.folder / TARGET).read_bytes()


def jobs_of(project, cluster):
    """All jobs of a project, oldest first, each with its rule."""
    found = [job for job in cluster.history() if job["WorkDir"] == str(project.folder)]
    return [{**job, "rule": job["Comment"].removeprefix("rule_").split("_wildcards")[0]} for job in found]
