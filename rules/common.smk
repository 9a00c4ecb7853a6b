# Paths, names and parameters that several rule files share and that depend on the configuration.
import os

from snakemake.exceptions import WorkflowError

from puzzlecell.config import results
from puzzlecell.config.class_table import read_classes
from puzzlecell.config.models import checkpoint_path
from puzzlecell.config.readers import READ_STAGE
from puzzlecell.config.unlike import THIS_RUN
from puzzlecell.config.workflow import ConfigError, load_configuration
from puzzlecell.data.field_sources import RawDataset
from puzzlecell.runtime.code_digest import code_digest
from puzzlecell.runtime.fingerprint import folder_digest
from puzzlecell.runtime.snakemake_internals import (
    StorageError,
    default_bucket,
    heed_sigterm,
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
heed_sigterm()

# So that a later run can remove them if this one is killed.
for folder in temporary_folders(workflow):
    mark_owned(folder)

FOLDS = range(1, settings.folds.count + 1)
TEST = settings.datasets_of("test")
DOWNLOADED = [ds for ds, given in settings.datasets.items() if given.download]
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

# How probabilities of cells are calibrated; None: they are not.
RUN_CALIBRATION = "results/calibration/calibration.csv"
CALIBRATION = RUN_CALIBRATION if settings.calibration.of_this_run else settings.calibration.file

# Models from elsewhere that read cells: their settings, by name. They have no stages and no folds.
READERS = {model: given.cells for model, given in settings.models.items() if given.cells is not None}
# Models that are tables from elsewhere: the path of the tables, by name.
FOREIGN = {model: given.table for model, given in settings.models.items() if given.table is not None}

# Pattern that matches nothing.
NOTHING = "(?!)"


wildcard_constraints:
    ds="|".join(settings.datasets),
    sh=r"\d{3}",
    # Those with stages; the rules of other models have constraints of their own.
    model="|".join(filter(settings.has_stages, settings.models)) or NOTHING,
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
    """Path of the folder, images, labels or truth of a raw data set, or its URL in a bucket."""
    return in_bucket(getattr(settings.datasets[dataset].files(dataset), name))


def image_table(dataset):
    """Path or URL of the table of images of a data set; None if there is none."""
    given = settings.datasets[dataset]
    path = given.files(dataset).table
    # One that the configuration names must exist; the checks before the first job say so.
    used = path is not None and (given.images is not None or exists(in_bucket(path)))
    return in_bucket(path) if used else None


def label_table(dataset):
    """Path or URL of the label table of a data set; None for a set without one, which needs no labels."""
    given, path = settings.datasets[dataset], raw(dataset, "labels")
    needed = given.labelled or given.labels is not None or given.simulate
    return path if needed or exists(path) else None


def raw_dataset(dataset, where=None):
    """Where the raw data of a data set is. where: maps paths of tables to those where they can be read; None: in jobs."""
    table, labels = image_table(dataset), label_table(dataset)
    return RawDataset(
        raw(dataset, "images"),
        labels and (where or here)(labels),
        settings.datasets[dataset].labelled,
        table and (where or here)(table),
        os.path.dirname(table or ""),
        settings.datasets[dataset].layout,
    )


def image_tables_of(datasets):
    """Existing tables of images, as inputs of rules whose parameters say which of their contents count."""
    paths = [image_table(ds) for ds in datasets]
    return [ancient(declared(path)) for path in paths if path is not None and exists(path)]


def look(wildcards, state):
    """What `state` says of the raw data of a data set while the workflow is planned; None says nothing.

    Snakemake stores the parameters as the main process has them, so the process of a job is spared the look.
    """
    dataset = raw_dataset(wildcards.ds, str)
    if not workflow.is_main_process and (dataset.needs_a_look or is_url(dataset.images)):
        return "looked at by the main process"
    return state(raw_dataset(wildcards.ds, readable))


def cells_state(wildcards):
    """State of the images of single cells that a simulated data set is composed of; nothing if it is drawn."""
    folder = settings.datasets[wildcards.ds].simulate.cells_from
    if folder is None:
        return Untracked()
    # Snakemake stores the parameters as the main process has them.
    return f"images of cells: {folder_digest(folder) if workflow.is_main_process else 'looked at by the main process'}"


def tables(name, datasets):
    """Existing label or truth tables. Missing label tables are reported by the checks before the first job."""
    paths = {ds: raw(ds, name) for ds in datasets}
    return [declared(path) for ds, path in paths.items() if settings.datasets[ds].simulate or exists(path)]


def with_truth(*roles):
    """Data sets with these roles that have ground truth per cell."""
    return [ds for ds in settings.datasets_of(*roles) if tables("truth", [ds])]


def cell_labels(dataset):
    """Path or URL of the grades of a data set's cells; None if there are none."""
    given, path = settings.datasets[dataset], raw(dataset, "cell_labels")
    return path if (not given.simulate or given.cell_labels) and exists(path) else None


def own_masks(dataset):
    """Folder of the user's own label images."""
    return f"{raw(dataset, 'folder')}/{settings.segmentation.masks.folder}"


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


def held_out_sets(wildcards):
    """Data sets of a stage whose fields have folds, so that some are held out of each training."""
    return settings.held_out_sets(wildcards.model, wildcards.stage)


def member_stages(*kinds):
    """Distinct (model, stage) pairs of the ensemble members, of all kinds of stages or of these."""
    return settings.member_stages(*kinds)


def models_with(stages):
    """Pattern of the models of a path `.../model/stage/...` with one of these stages (model, stage)."""
    return "|".join(f"{model}(?=/{stage}/)" for model, stage in stages) or NOTHING


def bundle_weights(wildcards):
    """Weights of all folds of the ensemble; WorkflowError for members that a bundle cannot carry."""
    others = settings.members_without_stages()
    if others:
        raise WorkflowError(
            f"bundle: {', '.join(f'models.{model}' for model in others)}: a bundle carries networks that were trained with "
            "this workflow, and no models from elsewhere; take their members out of ensemble.members"
        )
    return [model_file(*names, fold) for names in member_stages() for fold in FOLDS]


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
    """Field probability tables for a data set: one per shard, for each stage of the ensemble that predicts fields."""
    pattern = "results/step1/{{ds}}/{}.{}/{{sh}}.images.parquet"
    return [
        path for names in member_stages("fields") for path in per_shard(pattern.format(*names), [dataset])
    ]


def download_reports(wildcards):
    """Reports of all data sets that are downloaded."""
    if not DOWNLOADED:
        raise WorkflowError("nothing to download: no data set has a section `download`")
    return expand("results/download/{ds}.csv", ds=DOWNLOADED)
