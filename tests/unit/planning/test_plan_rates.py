import pytest

from puzzlecell.planning.measured import MeasuredRun, Rate
from puzzlecell.planning.measured_rates import GFLOP_PER_SECOND, SECONDS
from puzzlecell.planning.rates import Machine, job_time
from puzzlecell.planning.work import Work
from puzzlecell.runtime.planned_jobs import PlannedJob

LOADED, READ = SECONDS["load Mpx"], SECONDS["step1 Mpx"]
TRAIN = Work("train (a)", 2000, "GFLOP", 2000, "train seresnext50_32x4d", {"load Mpx": 10}, together=True)
STEP1 = Work("step1 (a)", 2000, "GFLOP", 2000, "infer seresnext50_32x4d", {"step1 Mpx": 10})
OTHER = Work("step1 (b)", 2000, "GFLOP", 2000, "infer of-nobody")
INGEST = Work("ingest", 50, "Mpx", parts={"ingest Mpx": 50})
UNKNOWN = Work("segment (cellpose)", 50, "Mpx")
START = SECONDS["start train"]
SPEED, STEP_SPEED = GFLOP_PER_SECOND["train seresnext50_32x4d"], GFLOP_PER_SECOND["infer seresnext50_32x4d"]


def seconds(work, machine, measured=None, *, threads=1, gpus=1):
    job = PlannedJob("rule", "train", {}, threads, gpus, 1000, needed=True, after=())
    return job_time(job, [work], machine, measured or MeasuredRun())


def run(kind, device, rate):
    return MeasuredRun({(kind, device): Rate(rate, 1.0, 1)})


CPU, GPU = Machine(16), Machine(16, gpus=2)
STATED = Machine(16, gpus=2, tflops=4)


@pytest.mark.parametrize(
    ("work", "machine", "measured", "options", "expected", "source"),
    [
        (TRAIN, CPU, None, {}, 2000 / SPEED + 10 * LOADED, "package"),
        (TRAIN, CPU, None, {"threads": 4}, 2000 / SPEED / 4 + 10 * LOADED, "package"),
        (INGEST, CPU, None, {}, 50 * SECONDS["ingest Mpx"], "package"),
        (INGEST, GPU, None, {"gpus": 0}, 50 * SECONDS["ingest Mpx"], "package"),
        # On a GPU, the loader works at the same time, on the threads that do not drive the GPU.
        (TRAIN, STATED, None, {"threads": 3}, 0.5, "stated"),
        (TRAIN, STATED, None, {"threads": 3, "gpus": 2}, 0.25, "stated"),
        (TRAIN, Machine(16, gpus=1, tflops=400), None, {"threads": 3}, 10 * LOADED / 2, "stated"),
        (STEP1, STATED, None, {}, 0.5 + 10 * READ, "stated"),
        (STEP1, Machine(16, gpus=1, tflops=4, tflops_inference=2), None, {}, 1 + 10 * READ, "stated"),
        (TRAIN, CPU, run("train (a)", "cpu", 0.01), {"threads": 4}, 2000 * 0.01 / 4, "measured run"),
        (TRAIN, GPU, run("train (a)", "cuda", 0.01), {"gpus": 2}, 2000 * 0.01 / 2, "measured run"),
        # Rates of another device or kind of work do not count.
        (TRAIN, CPU, run("train (a)", "cuda", 0.01), {}, 2000 / SPEED + 10 * LOADED, "package"),
        (TRAIN, CPU, run("train (b)", "cpu", 0.01), {}, 2000 / SPEED + 10 * LOADED, "package"),
        (UNKNOWN, CPU, run("segment (cellpose)", "cpu", 2), {}, 100, "measured run"),
    ],
)
def test_seconds(work, machine, measured, *, options, expected, source):
    found = seconds(work, machine, measured, **options)
    assert found.work_s == pytest.approx(expected)
    assert found.seconds == pytest.approx(START + expected)
    assert found.sources == {source}


@pytest.mark.parametrize(
    ("work", "machine"),
    [(TRAIN, GPU), (STEP1, GPU), (UNKNOWN, CPU), (TRAIN, Machine(4, 1, tflops_inference=4))],
)
def test_without_a_rate_there_is_no_time(work, machine):
    found = seconds(work, machine, run(work.kind, "other", 1))
    assert (found.seconds, found.missing) == (None, (work.kind,))


def test_a_network_that_was_not_measured_is_as_fast_as_the_median():
    speeds = sorted(value for name, value in GFLOP_PER_SECOND.items() if name.startswith("infer "))
    found = seconds(OTHER, CPU).work_s
    assert speeds[0] < 2000 / found < speeds[-1]
