# The images and the label table are the user's from then on: not declared as outputs, which Snakemake would delete
# before it runs the rule again.
rule download_fields:
    input:
        classes=settings.classes,
    output:
        report="results/download/{ds}.csv",
        checksums=checksums("results/download/{ds}.csv"),
    log:
        "results/logs/download/{ds}.log",
    localrule: True
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=2880,
    params:
        **tracked_by(
            {ds: results.download(settings, ds) for ds in settings.datasets}, lambda wildcards: wildcards.ds
        ),
        settings=lambda wildcards: settings.datasets[wildcards.ds].download,
        folder=lambda wildcards: raw(wildcards.ds, "folder"),
        labels=lambda wildcards: raw(wildcards.ds, "labels"),
        code=code("download_fields"),
    message:
        "Download data set {wildcards.ds}"
    script:
        "../workflow/scripts/download_fields.py"


rule download:
    input:
        download_reports,
