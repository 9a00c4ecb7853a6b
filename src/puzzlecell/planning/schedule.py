"""When each job of a plan runs, on a given number of cores, GPUs and nodes."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from puzzlecell.errors import UserError


@dataclass(frozen=True)
class Task:
    """A job with its time in seconds, what it occupies, and the indices of the tasks that come before it.

    memory_mb: of the job.
    """

    seconds: float
    cores: int = 1
    gpus: int = 0
    memory_mb: float = 0.0
    after: tuple[int, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """Start of each task, end of the last one and length of the longest chain, in seconds; memory at a time in MB.

    memory_mb: the most that the tasks on one node have at a time.
    """

    starts: list[float]
    wall_s: float
    critical_s: float
    memory_mb: float


def schedule(
    tasks: Sequence[Task], *, cores: int, gpus: int = 0, nodes: int = 1, jobs: int | None = None
) -> Schedule:
    """Run every task as soon as what it needs is there, in the order of the list; a later one may overtake.

    tasks: each after those that it depends on. cores, gpus: of each of the `nodes`; a task runs on one node. jobs: the
    most tasks at a time, None without a limit. Tasks of no time do not occupy anything. This is a list schedule: as
    long as no task takes more than one core, it is less than twice as long as the best possible one (Graham 1966).
    Raises UserError for a task that needs more than a node has.
    """
    for task in tasks:
        if task.seconds > 0 and (task.cores > cores or task.gpus > gpus):
            raise UserError(
                f"a job needs {task.cores} cores and {task.gpus} GPUs; the machine has {cores} and {gpus}"
            )
    waiting = [len(task.after) for task in tasks]
    following: list[list[int]] = [[] for _ in tasks]
    for number, task in enumerate(tasks):
        for before in task.after:
            following[before].append(number)
    free = [[cores, gpus] for _ in range(nodes)]
    memory = [0.0] * nodes
    ready = [number for number, count in enumerate(waiting) if count == 0]
    heapq.heapify(ready)
    running: list[tuple[float, int, int]] = []
    starts = [0.0] * len(tasks)
    now, most = 0.0, 0.0

    def release(number: int) -> None:
        for later in following[number]:
            waiting[later] -= 1
            if waiting[later] == 0:
                heapq.heappush(ready, later)

    while ready or running:
        held = []
        while ready:
            number = heapq.heappop(ready)
            task = tasks[number]
            starts[number] = now
            if task.seconds <= 0:
                release(number)
                continue
            node = next(
                (place for place, left in enumerate(free) if left[0] >= task.cores and left[1] >= task.gpus),
                None,
            )
            if node is None or (jobs is not None and len(running) >= jobs):
                held.append(number)
                continue
            free[node][0] -= task.cores
            free[node][1] -= task.gpus
            memory[node] += task.memory_mb
            most = max(most, memory[node])
            heapq.heappush(running, (now + task.seconds, number, node))
        for number in held:
            heapq.heappush(ready, number)
        if running:
            now = running[0][0]
            while running and running[0][0] <= now:
                _, number, node = heapq.heappop(running)
                free[node][0] += tasks[number].cores
                free[node][1] += tasks[number].gpus
                memory[node] -= tasks[number].memory_mb
                release(number)
    return Schedule(starts, now, critical_path(tasks), most)


def critical_path(tasks: Sequence[Task]) -> float:
    """Length in seconds of the longest chain of tasks: the time on a machine without limits."""
    ends: list[float] = []
    for task in tasks:
        ends.append(task.seconds + max((ends[before] for before in task.after), default=0.0))
    return max(ends, default=0.0)
