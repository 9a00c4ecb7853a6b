# Paths, names and parameters that several rule files share and that depend on the configuration.
import os

from snakemake.exceptions import WorkflowError

from puzzlecell.config import results
from puzzlecell.config.class_table import read_classes
from puzzlecell.config.models import checkpoint_path
from puzzlecell.config.unlike import THIS_RUN
from puzzlecell.config.workflow import ConfigError, load_configuration
from puzzlecell.runtime.code_digest import code_digest
from puzzlecell.runtime.snakemake_internals import (
    StorageError,
    default_bucket,
    limit_cores,
    temporary_folders,
)
from puzzlecell.runtime.temporary import mark_owned
from puzzlecell.runtime.threads import available_cores
from puzzlecell.runtime.tracking import Untracked, tracked, tracked_by

try:
    # URL below which inputs and outputs are, such as s3://bucket/run; None if they are files of this machine.
    BUCKET = default_bucket(workflow)
    settings = load_configuration(config, files=workflow.is_main_process, raw_files=BUCKET is None)
except (ConfigError, StorageError) as error:
    raise WorkflowError(str(error))

limit_cores(workflow)

# So that a later run can remove them if this one is killed.
for folder in temporary_folders(workflow):
    mark_owned(folder)

FOLDS = range(1, settings.folds.count + 1)
TEST = settings.datasets_of("test")
CLASS_NAMES = read_classes(settings.classes)
# Index of the class of negative cells, or None.
NEGATIVE = None if settings.negative is None else CLASS_NAMES.index(settings.negative)
# GPUs that a job with a network requests. The job itself picks a device; the choice does not affect the results.
GPUS = 0 if settings.gpu == "cpu" else 1
DEVICE = Untracked(settings.gpu)

# What the training fields looked like to the network of the first ensemble member, fold 1; None: no distance from them
# is computed.
RUN_LOOK = "results/look/look.safetensors"
LOOK = RUN_LOOK if settings.unlike_training.look == THIS_RUN else settings.unlike_training.look


wildcard_constraints:
    ds="|".join(settings.datasets),
    sh=r"\d{3}",
    model="|".join(settings.models),
    stage=r"[A-Za-z0-9][A-Za-z0-9_-]*",
    fold=r"\d+",


def code(script, *modules):
    """Digest of the library code that a script imports, as a parameter: Snakemake tracks only the script itself.

    A function, so that the process of a job reads the code of its own rule alone.
    """
    path = f"{workflow.basedir}/workflow/scripts/{script}.py"
    return lambda wildcards: f"code of {script}: {code_digest(path, modules)}"


def shards(dataset):
    """Names of a data set's shards."""
    return [f"{number:03d}" for number in range(settings.datasets[dataset].shards)]


def per_shard(pattern, datasets):
    """Paths for each shard of the data sets."""
    return [path for ds in datasets for path in expand(pattern, ds=ds, sh=shards(ds))]


def raw(dataset, name):
    """Path of the images, labels or truth of a raw data set, or its URL in a bucket."""
    given = settings.datasets[dataset]
    folder = f"results/simulated/{dataset}" if given.simulate else given.path or f"data/{dataset}"
    if name == "images":
        return in_bucket(f"{folder}/images")
    return in_bucket(getattr(given, name) or f"{folder}/{name}.csv")


def tables(name, datasets):
    """Existing label or truth tables. Missing label tables are reported by the checks before the first job."""
    paths = {ds: raw(ds, name) for ds in datasets}
    return [declared(path) for ds, path in paths.items() if settings.datasets[ds].simulate or exists(path)]


def with_truth(*roles):
    """Data sets with these roles that have ground truth per cell."""
    return [ds for ds in settings.datasets_of(*roles) if tables("truth", [ds])]


def own_masks(dataset):
    """Folder of the user's own label images."""
    return f"{os.path.dirname(raw(dataset, 'images'))}/{settings.segmentation.masks.folder}"


def model_file(model, stage, fold):
    """Weights of a fold: trained by this workflow, or the checkpoint named in the configuration."""
    ready = settings.models[model].stages[stage].checkpoints
    return (
        checkpoint_path(ready, fold)
        if ready
        else f"results/models/{model}/{stage}/fold{fold}/model.safetensors"
    )


def models(wildcards):
    """Weights of all folds of a stage."""
    return [model_file(wildcards.model, wildcards.stage, fold) for fold in FOLDS]


def trained_on(wildcards):
    """Data sets that a stage is trained on."""
    return settings.models[wildcards.model].stages[wildcards.stage].datasets


def member_stages():
    """Distinct (model, stage) pairs of the ensemble members."""
    return list(dict.fromkeys((member.model, member.stage) for member in settings.ensemble.members))


def member_tables(dataset):
    """Prediction tables of the ensemble members for a data set: one per shard, for each member in turn."""
    return [
        path
        for member in settings.ensemble.members
        for path in per_shard(
            f"results/step{member.step}/{{ds}}/{member.model}.{member.stage}/{{sh}}.parquet", [dataset]
        )
    ]


def distance_tables(dataset, ending):
    """Distances of a data set from the training fields: one table per shard; none if they are not computed."""
    return [] if LOOK is None else per_shard(f"results/unlike/{{ds}}/{{sh}}.{ending}", [dataset])


def image_tables(dataset):
    """Field probability tables for a data set: one per shard, for each stage of the ensemble in turn."""
    pattern = "results/step1/{{ds}}/{}.{}/{{sh}}.images.parquet"
    return [path for names in member_stages() for path in per_shard(pattern.format(*names), [dataset])]
