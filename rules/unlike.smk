from puzzlecell.config.models import StageSettings

# How unlike the training fields other fields are, to the network of the first ensemble member that predicts fields, fold 1.
FIRST = settings.first_member
# Without such a member, no distance is computed: the configuration must not ask for one.
FIRST_STAGE = settings.models[FIRST.model].stages[FIRST.stage] if FIRST else StageSettings()
FIRST_MODEL = model_file(FIRST.model, FIRST.stage, 1) if FIRST else []
FIRST_NAME = f"{FIRST.model}, {FIRST.stage}" if FIRST else "no model"


rule training_look:
    input:
        store=per_shard("results/store/{ds}/{sh}.h5", FIRST_STAGE.datasets),
        masks=per_shard("results/masks/{ds}/{sh}.h5", FIRST_STAGE.datasets),
        cells=per_shard("results/masks/{ds}/{sh}.cells.parquet", FIRST_STAGE.datasets),
        model=FIRST_MODEL,
        folds="results/folds/folds.csv",
        checksums=checksums("results/folds/folds.csv"),
    output:
        RUN_LOOK,
    log:
        "results/logs/training_look.log",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000, 0.5, lambda wildcards: settings.unlike_training.max_fields),
        runtime=minutes(60, STEP1_S / 60, lambda wildcards: settings.unlike_training.max_fields),
        gpu=GPUS,
    params:
        **tracked(results.training_look(settings)),
        settings=settings.unlike_training,
        datasets=FIRST_STAGE.datasets,
        group=Untracked(settings.folds.group),
        device=DEVICE,
        code=code("training_look"),
    message:
        "Describe the training fields of {FIRST_NAME}"
    script:
        "../workflow/scripts/training_look.py"


rule unlike_training:
    input:
        store="results/store/{ds}/{sh}.h5",
        masks="results/masks/{ds}/{sh}.h5",
        cells="results/masks/{ds}/{sh}.cells.parquet",
        model=FIRST_MODEL,
        look=[] if LOOK is None else LOOK,
    output:
        cells="results/unlike/{ds}/{sh}.parquet",
        images="results/unlike/{ds}/{sh}.images.parquet",
    log:
        "results/logs/unlike_training/{ds}/{sh}.log",
    benchmark:
        "results/benchmarks/unlike_training/{ds}/{sh}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000, 0.5, in_shard),
        runtime=minutes(60, STEP1_S / 60, in_shard),
        gpu=GPUS,
    params:
        settings={"model": FIRST and FIRST.model, "stage": FIRST and FIRST.stage},
        plausibility=settings.plausibility,
        device=DEVICE,
        code=code("unlike_training"),
    message:
        "Compare {wildcards.ds}, shard {wildcards.sh}, with the training fields"
    script:
        "../workflow/scripts/unlike_training.py"
