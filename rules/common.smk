# What needs the configuration object: paths and names that the rules share.
import os

from snakemake.exceptions import WorkflowError

from puzzlecell.config.workflow import ConfigError, load_configuration
from puzzlecell.runtime.script_imports import library_files
from puzzlecell.data.labels import read_classes
from puzzlecell.data.raw_files import folder_digest, shard_digest
from puzzlecell.runtime.threads import machine_cores
from puzzlecell.segmentation.requirements import weights_state

try:
    settings = load_configuration(config)
except ConfigError as error:
    raise WorkflowError(str(error))

# More threads than cores make every job slower, so --cores counts up to what this machine has.
if workflow.local_exec and workflow.is_main_process:
    workflow.register_resource("_cores", machine_cores(workflow.global_resources["_cores"].value))

FOLDS = range(1, settings.folds.count + 1)
TEST = settings.datasets_of("test")
CLASS_NAMES = read_classes(settings.classes)


wildcard_constraints:
    ds="|".join(settings.datasets),
    sh=r"\d{3}",
    model="|".join(settings.models),
    stage=r"[A-Za-z0-9][A-Za-z0-9_-]*",
    fold=r"\d+",


def shards(dataset):
    """Names of a data set's shards."""
    return [f"{number:03d}" for number in range(settings.datasets[dataset].shards)]


def per_shard(pattern, datasets, **names):
    """Paths for each shard of the data sets."""
    return [path for ds in datasets for path in expand(pattern, ds=ds, sh=shards(ds), **names)]


def raw(dataset, name):
    """Path of a data set's raw part: images, labels or truth."""
    given = settings.datasets[dataset]
    folder = f"results/simulated/{dataset}" if given.simulate else given.path or f"data/{dataset}"
    if name == "images":
        return f"{folder}/images"
    return getattr(given, name) or f"{folder}/{name}.csv"


def tables(name, datasets):
    """Label or truth tables. A missing one of the user's is left to the check at the start, which tells all problems."""
    paths = {ds: raw(ds, name) for ds in datasets}
    return [path for ds, path in paths.items() if settings.datasets[ds].simulate or os.path.exists(path)]


def with_truth(*roles):
    """Data sets of these roles whose truth per cell is known."""
    return [ds for ds in settings.datasets_of(*roles) if tables("truth", [ds])]


def raw_state(dataset, shard):
    """Digest of the raw files of a shard, so that a touched file reruns its shard and no other."""
    given = settings.datasets[dataset]
    tables = raw(dataset, "labels"), raw(dataset, "images")
    return shard_digest(*tables, int(shard), given.shards, made_here=given.simulate is not None)


def segmentation_gpu():
    """Which device segmenters may use: only networks need another than the CPU."""
    return settings.gpu if settings.segmentation.method in ("hpa_dpn", "hpacellseg", "cellpose") else "cpu"


def segmentation_threads():
    """Threads of a segmentation: networks use several, the other methods gain more from several shards at once."""
    return 1 if settings.segmentation.method in ("classical", "masks") else machine_cores(4)


def own_masks(dataset):
    """Folder of the user's own label images."""
    return f"{os.path.dirname(raw(dataset, 'images'))}/{settings.segmentation.masks.folder}"


def masks_state(dataset):
    """Digest of the user's own label images, where they are what the cells are taken from."""
    return folder_digest(own_masks(dataset)) if settings.segmentation.method == "masks" else None


def code(script):
    """The library files that a script is made of: Snakemake sees the script itself, but not its imports."""
    return [
        os.path.relpath(path) for path in library_files(f"{workflow.basedir}/workflow/scripts/{script}.py")
    ]


def model_file(model, stage, fold):
    """Weights of a fold: trained here, or the ready ones that the configuration names."""
    ready = settings.models[model].stages[stage].checkpoints
    return (
        ready.format(fold=fold) if ready else f"results/models/{model}/{stage}/fold{fold}/model.safetensors"
    )


def models(wildcards):
    """Weights of all folds of a stage."""
    return [model_file(wildcards.model, wildcards.stage, fold) for fold in FOLDS]


def stage_settings(wildcards):
    """Everything that decides a stage's weights, as one dictionary: single values would be compared as a set."""
    stage = settings.models[wildcards.model].stages[wildcards.stage]
    return {
        "training": settings.stage_training(wildcards.model, wildcards.stage).model_dump(),
        "datasets": stage.datasets,
        "start": stage.start,
    }


def gpus_of_stage(wildcards):
    """GPUs that a training asks a cluster for."""
    return (
        0 if settings.gpu == "cpu" else settings.stage_training(wildcards.model, wildcards.stage).compute.gpus
    )


def trained_on(wildcards):
    """Data sets of a stage."""
    return settings.models[wildcards.model].stages[wildcards.stage].datasets


def starts_from(wildcards):
    """Weights of the same fold that a stage starts from, if any."""
    start = settings.models[wildcards.model].stages[wildcards.stage].start
    return [] if start is None else model_file(wildcards.model, start, wildcards.fold)


def negative_index():
    """Index of the class of cells that show nothing, or None."""
    return None if settings.negative is None else CLASS_NAMES.index(settings.negative)


def member_stages():
    """The stages of the ensemble as (model, stage), each once."""
    return list(dict.fromkeys((member.model, member.stage) for member in settings.ensemble.members))


def member_tables(dataset):
    """Tables of all ensemble members for a data set: for each member in turn, one a shard."""
    return [
        path
        for member in settings.ensemble.members
        for path in per_shard(
            f"results/step{member.step}/{{ds}}/{member.model}.{member.stage}/{{sh}}.parquet", [dataset]
        )
    ]


def image_tables(dataset):
    """Tables of the fields' own probabilities by the stages of the ensemble: for each stage in turn, one a shard."""
    pattern = "results/step1/{{ds}}/{}.{}/{{sh}}.images.parquet"
    return [path for names in member_stages() for path in per_shard(pattern.format(*names), [dataset])]
