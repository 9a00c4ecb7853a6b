# Single-cell protein localisation from image-level labels: raw fields in, results/submission.csv out.
from snakemake.utils import min_version

min_version("9.20")


report: "workflow/report/workflow.rst"


include: "rules/configuration.smk"
include: "rules/common.smk"
include: "rules/resources.smk"
include: "rules/bucket.smk"
include: "rules/send.smk"
include: "rules/unseen.smk"
include: "rules/checks.smk"
include: "rules/data_checks.smk"
include: "rules/table_checks.smk"
include: "rules/network_checks.smk"
include: "rules/download.smk"
include: "rules/ingest.smk"
include: "rules/folds.smk"
include: "rules/targets.smk"
include: "rules/train.smk"
include: "rules/feature_inputs.smk"
include: "rules/features.smk"
include: "rules/train_cells.smk"
include: "rules/segment.smk"
include: "rules/step1.smk"
include: "rules/step2.smk"
include: "rules/read_cells.smk"
include: "rules/table_inputs.smk"
include: "rules/take_table.smk"
include: "rules/unlike.smk"
include: "rules/ensemble.smk"
include: "rules/oof.smk"
include: "rules/oof_step2.smk"
include: "rules/oof_cells.smk"
include: "rules/calibrate.smk"
include: "rules/score.smk"
include: "rules/fields.smk"
include: "rules/grades.smk"
include: "rules/member_weights.smk"
include: "rules/variability.smk"
include: "rules/intermediates.smk"
include: "rules/bundle.smk"
include: "rules/embedding_inputs.smk"
include: "rules/embeddings.smk"
include: "rules/export.smk"
include: "rules/view_inputs.smk"
include: "rules/view.smk"
include: "rules/view_quality.smk"
include: "rules/cams.smk"
include: "rules/warnings.smk"


onstart:
    check_before_start()


onsuccess:
    report_warnings()


onerror:
    report_warnings()


rule all:
    default_target: True
    input:
        rules.submission.output,
        # Results to look at, which Snakemake would not miss otherwise.
        rules.masks.input,
        rules.score.input,
        rules.oof.input,
        rules.holdout.input,
        rules.fields.input,
        rules.export.input,
        rules.view.input,
