import itertools
import math

import pytest

from puzzlecell.errors import UserError
from puzzlecell.planning.schedule import Task, critical_path, schedule

DIAMOND = [Task(2), Task(3, after=(0,)), Task(1, after=(0,)), Task(2, after=(1, 2))]
# Six jobs of one core and two levels, of which the order matters.
MIXED = [Task(3), Task(2), Task(2), Task(4, after=(1,)), Task(1, after=(0, 2)), Task(3, after=(2,))]


def shortest(tasks, cores):
    """Shortest time of all orders in which the tasks can be started, each as early as possible."""
    best = math.inf
    for order in itertools.permutations(range(len(tasks))):
        place = {task: number for number, task in enumerate(order)}
        if any(place[before] > place[task] for task in order for before in tasks[task].after):
            continue
        ends, free = {}, [0.0] * cores
        for task in order:
            core = min(range(cores), key=free.__getitem__)
            start = max([free[core], *(ends[before] for before in tasks[task].after)])
            ends[task] = free[core] = start + tasks[task].seconds
        best = min(best, max(ends.values()))
    return best


@pytest.mark.parametrize("tasks", [DIAMOND, MIXED])
@pytest.mark.parametrize("cores", [1, 2, 3])
def test_against_every_order(tasks, cores):
    found = schedule(tasks, cores=cores)
    best = shortest(tasks, cores)
    assert best <= found.wall_s <= (2 - 1 / cores) * best
    ends = [start + task.seconds for start, task in zip(found.starts, tasks, strict=True)]
    assert all(
        ends[before] <= start
        for task, start in zip(tasks, found.starts, strict=True)
        for before in task.after
    )
    assert max(
        sum(s <= moment < e for s, e in zip(found.starts, ends, strict=True)) for moment in found.starts
    ) <= (cores)
    assert found.critical_s == critical_path(tasks) <= found.wall_s


@pytest.mark.parametrize(
    ("tasks", "machine", "wall", "memory"),
    [
        ([Task(1)] * 4, {"cores": 4}, 1, 0),
        ([Task(1)] * 4, {"cores": 4, "jobs": 2}, 2, 0),
        ([Task(1)] * 4, {"cores": 1, "nodes": 2}, 2, 0),
        ([Task(1, cores=2)] * 4, {"cores": 3}, 4, 0),
        # Two half-free nodes are no whole one.
        ([Task(2, cores=1), Task(2, cores=2), Task(1, cores=2)], {"cores": 2, "nodes": 2}, 3, 0),
        ([Task(1, gpus=1)] * 4, {"cores": 4, "gpus": 1}, 4, 0),
        ([Task(1, gpus=1), Task(1, gpus=1), Task(1)], {"cores": 2, "gpus": 1}, 2, 0),
        # A rule that only names others takes no core, and what comes after it starts at once.
        ([Task(1), Task(0, after=(0,)), Task(1, after=(1,))], {"cores": 1}, 2, 0),
        ([Task(1, memory_mb=3), Task(2, memory_mb=4), Task(1, memory_mb=5, after=(0,))], {"cores": 2}, 2, 9),
        ([Task(1, memory_mb=3)] * 2, {"cores": 1, "nodes": 2}, 1, 3),
        ([], {"cores": 1}, 0, 0),
    ],
)
def test_by_hand(tasks, machine, wall, memory):
    found = schedule(tasks, **machine)
    assert (found.wall_s, found.memory_mb) == (wall, memory)


@pytest.mark.parametrize("task", [Task(1, cores=3), Task(1, gpus=1)])
def test_a_job_that_is_too_large_for_the_machine(task):
    with pytest.raises(UserError, match="the machine has 2 and 0"):
        schedule([task], cores=2)
