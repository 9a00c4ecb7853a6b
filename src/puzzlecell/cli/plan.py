"""`puzzlecell plan`."""

import argparse
import json
from functools import partial

from puzzlecell.cli.arguments import Commands, number
from puzzlecell.errors import UserError
from puzzlecell.runtime.threads import available_cores


def add_parser(commands: Commands) -> None:
    """Add the command to `puzzlecell`."""
    plan = commands.add_parser(
        "plan", help="what a run would cost: jobs, hours, GPU hours, memory and disk by rule"
    )
    plan.add_argument("targets", nargs="*", help="as for snakemake (default: its default target)")
    plan.add_argument("--configfile", help="configuration in place of config/config.yaml")
    plan.add_argument(
        "--cores", type=_count, default=available_cores(), help="cores of a node (default: %(default)s)"
    )
    plan.add_argument(
        "--gpus", type=partial(_count, least=0), help="GPUs of a node (default: those of this machine)"
    )
    plan.add_argument("--nodes", type=_count, default=1, help="nodes of a cluster (default: %(default)s)")
    plan.add_argument("--jobs", type=_count, help="most jobs at a time (default: no limit)")
    plan.add_argument(
        "--wait",
        type=number,
        default=0.0,
        metavar="SECONDS",
        help="that each job waits before it starts, such as in the queue of a cluster (default: 0)",
    )
    plan.add_argument(
        "--gpu-tflops",
        type=number,
        metavar="TFLOPS",
        help="achieved by one GPU in training, in 1e12 operations per second; not the figure of its data sheet",
    )
    plan.add_argument(
        "--gpu-tflops-inference",
        type=number,
        metavar="TFLOPS",
        help="achieved by one GPU in prediction (default: that of training)",
    )
    plan.add_argument(
        "--fields",
        nargs="+",
        action="extend",
        default=[],
        type=_fields,
        metavar="DATASET=N",
        help="number of fields of data sets that have no label table yet",
    )
    plan.add_argument(
        "--cells",
        type=number,
        help="cells per field where no cell table tells (default: 20)",
    )
    plan.add_argument(
        "--side",
        type=_count,
        default=2048,
        help="of a raw field in pixels where there are no files yet (default: %(default)s)",
    )
    plan.add_argument(
        "--results",
        default="results",
        metavar="FOLDER",
        help="results of a run whose benchmarks give the rates (default: %(default)s)",
    )
    plan.add_argument("--all", action="store_true", help="count the jobs that are already done, too")
    plan.add_argument("--json", action="store_true", help="print JSON: seconds, MB and bytes")
    plan.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from puzzlecell.runtime.planned_jobs import planned_jobs

    for name in ("gpu_tflops", "gpu_tflops_inference", "cells"):
        value = getattr(options, name)
        if value is not None and value <= 0:
            raise UserError(f"--{name.replace('_', '-')}: found {value:g}; expected a number above 0")
    if options.wait < 0:
        raise UserError(f"--wait: found {options.wait:g}; expected 0 or more seconds")
    plan = planned_jobs(options.targets, options.configfile, cores=options.cores, everything=options.all)
    # Imported now, because they take longer than finding most mistakes.
    from puzzlecell.planning.estimate import estimate
    from puzzlecell.planning.rates import Machine
    from puzzlecell.planning.sizes import Stated
    from puzzlecell.planning.table import as_json, as_text

    gpus = _gpus_here() if options.gpus is None else options.gpus
    machine = Machine(
        cores=options.cores,
        gpus=gpus,
        nodes=options.nodes,
        jobs=options.jobs,
        wait_s=options.wait,
        tflops=options.gpu_tflops,
        tflops_inference=options.gpu_tflops_inference,
    )
    found = estimate(
        plan, Stated(dict(options.fields), options.cells, options.side), machine, options.results
    )
    if options.json:
        print(json.dumps(as_json(found), indent=2))
        return
    print(
        f"{' '.join(options.targets) or 'default target'}, {options.configfile or 'config/config.yaml'}, ",
        end="",
    )
    print(as_text(found))


def _gpus_here() -> int:
    import torch

    return torch.cuda.device_count()


def _count(text: str, least: int = 1) -> int:
    """Type of options with a number of things."""
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, found {text!r}")
    return int(text)


def _fields(text: str) -> tuple[str, int]:
    """Type of `--fields`: name of a data set and its number of fields."""
    name, separator, fields = text.rpartition("=")
    if not separator or not name or not fields.isdecimal():
        raise argparse.ArgumentTypeError(f"expected DATASET=N, such as train=21000, found {text!r}")
    return name, int(fields)
