# Class activation maps of fields as step 1 reads them, as pictures for people and numbers for the viewer; on request.
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
