# Class activation maps of fields as step 1 reads them, as pictures for people and numbers for the viewer; on request.
from puzzlecell.data.raw_files import shard_of
from puzzlecell.runtime.snakemake_internals import asked_for

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


rule field_cams:
    input:
        store="results/store/{ds}/{sh}.h5",
        masks="results/masks/{ds}/{sh}.h5",
        models=cam_models,
        cells=of_ensemble(lambda wildcards: [f"results/masks/{wildcards.ds}/{wildcards.sh}.cells.parquet"]),
        members=of_ensemble(shard_members),
        images=of_ensemble(shard_images),
        calibration=[CALIBRATION] if CALIBRATION and settings.cams.classes is None else [],
        checksums=(
            checksums(CALIBRATION) if CALIBRATION == RUN_CALIBRATION and not settings.cams.classes else []
        ),
        classes=settings.classes,
    output:
        maps="results/cams/{ds}/{sh}.h5",
        pictures=directory("results/cams/{ds}/{sh}"),
    log:
        "results/logs/cams/{ds}/{sh}.log",
    benchmark:
        "results/benchmarks/cams/{ds}/{sh}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=minutes(
            60,
            STEP1_S / 60 * len(CAM_MEMBERS) * len(FOLDS) * settings.step1.tta.passes,
            in_shard,
        ),
        gpu=GPUS,
    params:
        **tracked(results.cams(settings)),
        fields=cam_fields,
        settings=settings.cams,
        step1=settings.step1,
        ensemble=settings.ensemble,
        negative=Untracked(NEGATIVE),
        device=DEVICE,
        code=code("cams"),
    message:
        "Class activation maps of {wildcards.ds}, shard {wildcards.sh}"
    script:
        "../workflow/scripts/cams.py"


rule cams:
    input:
        per_shard("results/cams/{ds}/{sh}.h5", CAM_SETS),
