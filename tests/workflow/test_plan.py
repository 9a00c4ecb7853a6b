"""`puzzlecell plan` against Snakemake's own plan, and against the run that follows."""

import json
import subprocess
import sys

import pytest

TINY = ["--configfile", "config/tiny.yaml"]
FULL = ["--configfile", "config/hpa2021.yaml"]
WITHOUT_A_RATE = {"split_folds", "join_holdout", "oof_metrics", "all"} | {
    "field_thresholds",
    "field_answer",
    "field_score",
    "export_h5ad",
    "export_csv",
    "view_budget",
    "view_quality",
    "view_index",
}
FIELDS = ["train=21000", "external=68000", "hpa2018=9000", "holdout=10000", "test=1000"]


def plan(project, *arguments, cores=2, gpus=0):
    """What the command prints; fails unless it succeeds."""
    done = started(project, *arguments, "--cores", str(cores), "--gpus", str(gpus))
    assert done.returncode == 0, done.stderr
    return done.stdout


def planned(project, *arguments, **machine):
    return json.loads(plan(project, *arguments, "--json", **machine))


def started(project, *arguments):
    program = "import sys; from puzzlecell.cli.main import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, "plan", *arguments],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
    )


def jobs(found):
    return {rule["rule"]: rule["jobs"] for rule in found["rules"]}


@pytest.mark.parametrize("target", ["results/submission.csv", "all", "ablation"])
def test_the_jobs_are_those_of_snakemake(fresh, target):
    assert jobs(planned(fresh, target, *TINY)) == fresh.planned(target)


@pytest.mark.parametrize("recipe", ["config/hpa2021.yaml", "config/hpa2021-extended.yaml"])
def test_the_jobs_of_the_full_recipes(fresh, recipe):
    found = planned(fresh, "--configfile", recipe, "--fields", *FIELDS, cores=16)
    assert jobs(found) == fresh.planned("all", configuration=recipe)
    assert found["wall_s"] > found["critical_s"] > 0
    assert found["gpu_s"] == 0
    # 109,000 fields of 512 x 512 pixels in four channels, less than 1 byte per value.
    assert 0.5 < found["disk_bytes"]["store"] / (109_000 * 512**2 * 4) < 1


def test_on_a_gpu_nothing_is_made_up(fresh):
    arguments = [*FULL, "--fields", *FIELDS]
    text = plan(fresh, *arguments, cores=16, gpus=4)
    assert (
        "wall time  unknown; there is no rate for segment (hpa_dpn); train (seresnext50_32x4d, puzzle)"
        in text
    )
    assert "no rate was measured on a GPU" in text
    slow, fast = (
        planned(fresh, *arguments, "--gpu-tflops", str(tflops), cores=16, gpus=4) for tflops in (5, 10)
    )
    assert slow["wall_s"] > fast["wall_s"]
    train = [next(rule for rule in found["rules"] if rule["rule"] == "train") for found in (slow, fast)]
    assert train[0]["work_s"] / train[1]["work_s"] == pytest.approx(2)
    # Of 12 trainings, 4 run at a time, in three rounds.
    assert slow["wall_s"] > 3 * train[0]["gpu_s"] / 12


def test_a_finished_run_gives_the_rates(changed):
    assert planned(changed, *TINY)["jobs"] == 0
    assert plan(changed, *TINY).endswith("nothing is left to be done\n")
    results = changed.folder / "results"
    for path in (results / "benchmarks").rglob("*.tsv"):
        path.write_text("s\tmax_rss\n100\t250\n")
    found = planned(changed, *TINY, "--all")
    assert jobs(found) == changed.planned("all", "--forceall")
    rules = {rule["rule"]: rule for rule in found["rules"] if rule["sources"] == ["measured run"]}
    assert jobs(found).keys() - rules.keys() == WITHOUT_A_RATE
    for name in ("simulate", "ingest", "segment", "train", "step2", "ensemble", "submission", "score_cells"):
        # Folds are planned as of equal size, and these are not; of a few fields each, in whole batches of 4.
        near = 0.3 if name == "train" else 0.01
        assert rules[name]["seconds"] == pytest.approx(100 * rules[name]["jobs"], rel=near), name
        assert rules[name]["memory_mb"] == pytest.approx(250 * 2**20 / 1e6)
    assert found["unused_benchmarks"] == 0
    # Two jobs at a time at most.
    assert found["core_s"] / 2 <= found["wall_s"] <= found["core_s"]
    assert found["critical_s"] <= found["wall_s"]
    (results / "submission.csv").unlink()
    assert jobs(planned(changed, *TINY, "results/submission.csv")) == {"submission": 1}


def test_the_rates_of_a_small_run_for_a_large_one(changed):
    for path in (changed.folder / "results/benchmarks").rglob("*.tsv"):
        path.write_text("s\tmax_rss\n1000\t250\n")

    def ten_times(settings):
        for given in settings["datasets"].values():
            given["simulate"]["fields"] *= 10

    large = changed.configure("large.yaml", ten_times)
    small, found = (
        {rule["rule"]: rule for rule in planned(changed, "results/submission.csv", "--all", *given)["rules"]}
        for given in (TINY, ["--configfile", large])
    )
    for name in ("simulate", "ingest", "segment", "train", "step1", "step2"):
        assert found[name]["sources"] == ["measured run"]
        # Of the few fields of the small run, the last batch of an epoch is half empty.
        near = 0.3 if name == "train" else 0.01
        assert found[name]["seconds"] == pytest.approx(10 * small[name]["seconds"], rel=near), name


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        ([*FULL], 1, "there is no label table yet: train, external, hpa2018, holdout, test; state it"),
        ([*FULL, "--fields", "trian=3"], 1, "--fields: there is no data set 'trian'; did you mean train?"),
        ([*FULL, "--fields", "train=many"], 2, "expected DATASET=N, such as train=21000, found 'train=many'"),
        (
            [*TINY, "results/nothing.csv"],
            1,
            "the workflow cannot be planned: No rule to produce results/nothing",
        ),
        (["--configfile", "config/none.yaml"], 1, "--configfile: there is no file config/none.yaml"),
        (["--configfile", "config/wrong.yaml"], 1, "epochz"),
        ([*TINY, "--cores", "0"], 2, "expected a whole number of at least 1, found '0'"),
        ([*TINY, "--gpus", "-1"], 2, "expected a whole number of at least 0, found '-1'"),
        ([*TINY, "--gpu-tflops", "0"], 1, "--gpu-tflops: found 0; expected a number above 0"),
        (["--configfile", "config/cuda.yaml"], 1, "gpu is cuda, but the machine has no GPU"),
        (
            ["--configfile", "config/cuda.yaml", "--gpus", "1"],
            1,
            "compute.gpus is 2, but a node has 1 GPU(s)",
        ),
    ],
)
def test_mistakes_are_said_in_one_line(planning, arguments, status, expected):
    done = started(planning, "--cores", "2", *([] if "--gpus" in arguments else ["--gpus", "0"]), *arguments)
    assert done.returncode == status, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def planning(fresh):
    """The project, with two configurations for mistakes."""
    fresh.configure("wrong.yaml", lambda settings: settings["training"].update(epochz=2))

    def two_gpus(settings):
        settings["gpu"] = "cuda"
        settings["training"]["compute"] = {"gpus": 2}

    fresh.configure("cuda.yaml", two_gpus)
    return fresh


def test_without_a_project(tmp_path, planning):
    done = subprocess.run(
        [sys.executable, "-c", "from puzzlecell.cli.main import main; raise SystemExit(main(['plan']))"],
        cwd=tmp_path,
        env=planning.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert (
        done.stderr == "puzzlecell: there is no Snakefile here; change to the folder of the project first\n"
    )
