# What the viewer and the class activation maps are made of: constants and functions of the inputs and parameters of their rules.
from types import SimpleNamespace

from puzzlecell.data.raw_files import shard_of
from puzzlecell.data.source_states import shard_metadata_state, shard_rows_state, texts_digest
from puzzlecell.runtime.snakemake_internals import asked_for
from puzzlecell.viewer.licence import weights_licence
from puzzlecell.viewer.page_files import page_digest, page_files

# The answer that was asked for comes first.
VIEW_SETS = list(settings.view.datasets or settings.datasets_of("test") + settings.datasets_of("holdout"))
VIEW_SHARDS = [(ds, sh) for ds in VIEW_SETS for sh in shards(ds)]


def shard_members(wildcards):
    """Prediction tables of the ensemble members for a shard."""
    return [
        f"results/step{member.step}/{wildcards.ds}/{member.model}.{member.stage}/{wildcards.sh}.parquet"
        for member in settings.ensemble.members
    ]


def shard_images(wildcards):
    """Field probability tables for a shard, for each stage of the ensemble that predicts fields."""
    return [
        f"results/step1/{wildcards.ds}/{model}.{stage}/{wildcards.sh}.images.parquet"
        for model, stage in member_stages("fields")
    ]


def shard_distances(ending):
    """Distances of a shard from the training fields; none if they are not computed."""
    return lambda wildcards: (
        [] if LOOK is None else [f"results/unlike/{wildcards.ds}/{wildcards.sh}.{ending}"]
    )


def own_truth(dataset):
    """Whether the user provides the table of true cells, which changes with any field: its rows are compared instead."""
    return settings.datasets[dataset].simulate is None and not is_url(raw(dataset, "truth"))


def of_shard(state):
    """What `state` says of the part of the raw data that belongs to a shard."""
    return lambda wildcards: look(
        wildcards,
        lambda dataset: state(dataset, int(wildcards.sh), settings.datasets[wildcards.ds].shards),
    )


def true_rows(wildcards):
    """State of the true cells of a shard, if the user provides them."""
    paths = tables("truth", [wildcards.ds])
    if not paths or not own_truth(wildcards.ds):
        return Untracked()
    # Snakemake stores the parameters as the main process has them.
    if not workflow.is_main_process:
        return "looked at by the main process"
    count = settings.datasets[wildcards.ds].shards
    return f"true cells: {shard_rows_state(paths[0], int(wildcards.sh), count)}"


def view_settings():
    """The settings of the viewer, with pictures of fields no larger than the stored fields."""
    side = min(settings.view.field_tile, settings.ingest.size)
    return settings.view.model_copy(update={"field_tile": side})


VIEW_SCORED = [ds for ds in VIEW_SETS if tables("truth", [ds])]
# Data sets whose rejected fields are listed: those that are shown and those that were trained on.
VIEW_LISTED = list(dict.fromkeys([*VIEW_SETS, *settings.training_sets()]))
VIEW_TRAININGS = {
    names: [f"results/models/{names[0]}/{names[1]}/fold{fold}/history.csv" for fold in FOLDS]
    for names in settings.trained_stages()
}
VIEW_SMALL_TABLES = [
    *expand("results/score/{ds}.csv", ds=VIEW_SCORED),
    *expand("results/score/{ds}.classes.csv", ds=VIEW_SCORED),
    *per_shard("results/store/{ds}/{sh}.rejected.csv", VIEW_LISTED),
    *(path for paths in VIEW_TRAININGS.values() for path in paths),
]
RELIABILITY = "results/calibration/reliability.csv"
# Results that are made on request alone, by the targets that make them.
VIEW_REQUESTED = {
    "grades": [f"results/score/{ds}.graded.csv" for ds in SCORED_GRADES if ds in VIEW_SETS],
    "variability": expand("results/variability/{ds}.csv", ds=VIEW_SETS),
    "calibration": [] if CALIBRATION == RUN_CALIBRATION else [RUN_CALIBRATION, RELIABILITY],
}


def view_requested(wildcards):
    """Results made on request, where there are some or this run is asked for them: the viewer shows them."""
    return [
        path
        for target, paths in VIEW_REQUESTED.items()
        for path in paths
        if asked_for(workflow, target) or exists(in_bucket(path))
    ]


CAM_SETS = settings.cams.datasets or settings.datasets_of("test", "holdout")
# Members of step 1, whose maps are averaged.
CAM_MEMBERS = [member for member in settings.ensemble.members if member.step == 1]


def cam_models(wildcards):
    """Weights of all folds of the members of step 1, member for member."""
    if not CAM_MEMBERS:
        raise WorkflowError("cams: the ensemble has no member of step 1, which reads class activation maps")
    return [model_file(member.model, member.stage, fold) for member in CAM_MEMBERS for fold in FOLDS]


def cam_fields(wildcards):
    """IDs of the fields of a shard whose maps are asked for; None: all."""
    given = settings.cams.fields.get(wildcards.ds)
    count = settings.datasets[wildcards.ds].shards
    return None if given is None else [name for name in given if shard_of(name, count) == int(wildcards.sh)]


def of_ensemble(paths):
    """Paths that the ensemble is computed from, if what it says of the cells decides on the classes."""
    return lambda wildcards: paths(wildcards) if settings.cams.classes is None else []


def cams(wildcards):
    """The maps of a shard, where there are some or this run is asked for them: the viewer shows them."""
    path = f"results/cams/{wildcards.ds}/{wildcards.sh}.h5"
    asked = asked_for(workflow, "cams") and wildcards.ds in CAM_SETS
    return [path] if asked or exists(in_bucket(path)) else []
