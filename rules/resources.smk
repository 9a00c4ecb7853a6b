# Threads, memory (MB) and run time (minutes) of jobs. A cluster needs all of them; a run on one machine only the threads.
# Memory and run time grow with each attempt, so that a job that was stopped by a limit gets more the next time.
import functools

# Threads of a training on a cluster, per GPU: seven processes read and augment fields (benchmarks/loader.py).
TRAINING_THREADS = 8
# Fields of a data set whose table does not exist yet.
UNKNOWN_FIELDS = 20_000
# Seconds per field and network on one core, about four times those measured with SEResNeXt50 at 512 x 512
# (benchmarks/inference.py): these are limits.
STEP1_S, STEP2_S = 5, 40
# Seconds per field on one core, about five times those measured with SubCell and 20 cells (benchmarks/subcell.py).
READ_CELLS_S = 160
# The longest run time (minutes): two days, which the partitions of most clusters allow. Where yours allow more, a
# profile can set more for single rules.
LONGEST = 2880


def capped(threads):
    """Threads of a job: capped by the cores of this machine if the jobs run on it."""
    return min(threads, available_cores()) if workflow.local_exec else threads


def at_most(threads):
    """As `capped`, for a rule: where the jobs run is not known yet when the rules are read."""
    return lambda wildcards: capped(threads)


def training_threads(wildcards):
    """Threads of a training: on one machine, the folds of a stage share its cores."""
    if workflow.local_exec and not workflow.remote_exec:
        return max(1, available_cores() // settings.folds.count)
    return capped(TRAINING_THREADS * max(1, training_gpus(wildcards)))


def training_gpus(wildcards):
    """GPUs of a training, all on one node."""
    return GPUS * training_settings(wildcards).compute.gpus


@functools.cache
def fields(dataset):
    """Number of fields of a data set."""
    if settings.datasets[dataset].simulate:
        return settings.datasets[dataset].simulate.fields
    return len(field_ids(dataset)) or UNKNOWN_FIELDS


def growing(base, per_field=0, counted=None):
    """Memory (MB) that grows with the attempt and with the fields that a job works on.

    base: the amount for no field, in the first attempt. per_field: what each field adds. counted: function of the
    wildcards that returns the number of fields.
    """

    def amount(wildcards, attempt):
        # The process of a job has been given its limits already; counting would only cost time there.
        known = counted is not None and workflow.is_main_process
        return attempt * round(base + per_field * (counted(wildcards) if known else 0))

    return amount


def minutes(base, per_field=0, counted=None):
    """Run time in minutes: as `growing`, up to `LONGEST`."""
    amount = growing(base, per_field, counted)
    return lambda wildcards, attempt: min(LONGEST, amount(wildcards, attempt))


def in_shard(wildcards):
    """Fields in a shard of a data set."""
    return fields(wildcards.ds) / settings.datasets[wildcards.ds].shards


def in_dataset(wildcards):
    """Fields of a data set."""
    return fields(wildcards.ds)


def in_fold(wildcards):
    """Fields of the data sets of a stage that one fold holds out."""
    return sum(map(fields, held_out_sets(wildcards))) / settings.folds.count


def in_sets(*roles):
    """Function that returns the number of fields of all data sets with these roles."""

    def total(wildcards):
        return sum(map(fields, settings.datasets_of(*roles)))

    return total
