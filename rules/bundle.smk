# The finished run as one folder or zip file, to be given away.
from types import SimpleNamespace

from puzzlecell.bundle.settings import bundle_state

# Whose fields the networks of the ensemble have seen; none with ready weights, whose training is not known here.
SEEN = settings.training_sets()
# Stages of the ensemble that this run trains and that predict fields, so that there are predictions for held-out ones.
TRAINED_MEMBERS = [names for names in member_stages("fields") if names in settings.trained_stages()]
SCORED = with_truth("test", "holdout")
# Further files that the bundle carries, by their name in it (puzzlecell.bundle.settings.CARRIED).
CARRIED_FILES = {"thresholds.csv": "results/field_thresholds.csv"}
if TRAINED_MEMBERS and FIRST_STAGE.datasets:
    CARRIED_FILES["look.safetensors"] = RUN_LOOK
elif LOOK not in (None, RUN_LOOK):
    CARRIED_FILES["look.safetensors"] = LOOK

if CALIBRATION is not None:
    CARRIED_FILES["calibration.csv"] = CALIBRATION


rule export_bundle:
    input:
        weights=bundle_weights,
        # For the size and the intensities of the training fields, one shard is enough.
        stores=[f"results/store/{ds}/000.h5" for ds in SEEN],
        labels=tables("labels", SEEN),
        held_out=[
            f"results/models/{model}/{stage}/fold{fold}/oof.csv"
            for model, stage in TRAINED_MEMBERS
            for fold in FOLDS
        ],
        scores=[f"results/score/{ds}.csv" for ds in SCORED],
        checksums=checksums(
            *(
                f"results/models/{model}/{stage}/fold{fold}/oof.csv"
                for model, stage in TRAINED_MEMBERS
                for fold in FOLDS
            ),
            *(f"results/score/{ds}.csv" for ds in SCORED),
        ),
        classes=settings.classes,
        licence=LICENCE,
        carried=list(CARRIED_FILES.values()),
        image_tables=image_tables_of(SEEN),
    output:
        "results/bundle.zip" if settings.bundle.form == "zip" else directory("results/bundle"),
    log:
        "results/logs/export_bundle.log",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=minutes(60),
    params:
        **tracked(bundle_state(settings, CLASS_NAMES)),
        settings=settings,
        training_sets=SEEN,
        labels=[here(raw(ds, "labels")) for ds in SEEN],
        raw=lambda wildcards: Untracked([raw_dataset(ds) for ds in SEEN]),
        # Of the first shards, whose fields the bundle describes.
        pixel_sizes=lambda wildcards: [pixel_sizes(SimpleNamespace(ds=ds, sh="000")) for ds in SEEN],
        trained=TRAINED_MEMBERS,
        scored=SCORED,
        carried=list(CARRIED_FILES),
        code=code("export_bundle"),
    message:
        "Write the bundle"
    script:
        "../workflow/scripts/export_bundle.py"


rule bundle:
    input:
        rules.export_bundle.output,
