# Files for other tools: AnnData, CSV with names, GeoJSON for QuPath, regions of ImageJ, OME-Zarr.
import re

from puzzlecell.config.export import PREDICTED, split_field
from puzzlecell.data.raw_files import shard_of
from puzzlecell.formats.file_names import safe_name

EXPORTED = settings.datasets_of(*PREDICTED)
# The fields that are written as OME-Zarr: (data set, ID) by data set and name of the folder.
OME_ZARR = {
    (ds, safe_name(field_id)): field_id for ds, field_id in map(split_field, settings.export.ome_zarr.fields)
}
# What each format is made of.
EXPORTS = {
    "h5ad": expand("results/export/{ds}.h5ad", ds=EXPORTED),
    "csv": expand("results/export/{ds}.csv.gz", ds=EXPORTED),
    "geojson": expand("results/export/{ds}/geojson", ds=EXPORTED),
    "imagej": expand("results/export/{ds}/imagej", ds=EXPORTED),
    "ome_zarr": [f"results/export/{ds}/ome_zarr/{name}.ome.zarr" for ds, name in OME_ZARR],
}


# The shard of a field that is written as OME-Zarr.
zarr_shard = lambda wildcards: (
    f"{shard_of(OME_ZARR[wildcards.ds, wildcards.name], settings.datasets[wildcards.ds].shards):03d}"
)


rule export_h5ad:
    input:
        answer="results/cells/{ds}.parquet",
        store=lambda wildcards: per_shard("results/store/{ds}/{sh}.h5", [wildcards.ds]),
        cells=lambda wildcards: per_shard("results/masks/{ds}/{sh}.cells.parquet", [wildcards.ds]),
        members=lambda wildcards: member_tables(wildcards.ds),
        embeddings=lambda wildcards: [
            path for paths in exported_embeddings(wildcards.ds).values() for path in paths
        ],
        image_table=lambda wildcards: image_tables_of([wildcards.ds]),
        classes=settings.classes,
    output:
        file="results/export/{ds}.h5ad",
        checksums=checksums("results/export/{ds}.h5ad"),
    log:
        "results/logs/export/{ds}.h5ad.log",
    benchmark:
        "results/benchmarks/export/{ds}.h5ad.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000, 0.05, in_shard),
        runtime=minutes(60, 0.1 / 60, in_dataset),
    params:
        **tracked_by({ds: results.answer(settings, ds) for ds in EXPORTED}, lambda wildcards: wildcards.ds),
        steps=Untracked([member.step for member in settings.ensemble.members]),
        embedded=lambda wildcards: Untracked(list(exported_embeddings(wildcards.ds))),
        pixel_size_um=lambda wildcards: Untracked(settings.datasets[wildcards.ds].pixel_size_um),
        raw=lambda wildcards: Untracked(raw_dataset(wildcards.ds)),
        code=code("export_h5ad"),
    message:
        "Write the predictions for {wildcards.ds} as AnnData"
    script:
        "../workflow/scripts/export_h5ad.py"


rule export_csv:
    input:
        answer="results/cells/{ds}.parquet",
        classes=settings.classes,
    output:
        file="results/export/{ds}.csv.gz",
        checksums=checksums("results/export/{ds}.csv.gz"),
    log:
        "results/logs/export/{ds}.csv.log",
    benchmark:
        "results/benchmarks/export/{ds}.csv.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=minutes(60, 0.1 / 60, in_dataset),
    params:
        code=code("export_csv"),
    message:
        "Write the predictions for {wildcards.ds} as CSV"
    script:
        "../workflow/scripts/export_csv.py"


rule export_fields:
    input:
        answer="results/cells/{ds}.parquet",
        masks=lambda wildcards: per_shard("results/masks/{ds}/{sh}.h5", [wildcards.ds]),
        cells=lambda wildcards: per_shard("results/masks/{ds}/{sh}.cells.parquet", [wildcards.ds]),
        classes=settings.classes,
    output:
        directory("results/export/{ds}/{form}"),
    log:
        "results/logs/export/{ds}.{form}.log",
    benchmark:
        "results/benchmarks/export/{ds}.{form}.tsv"
    wildcard_constraints:
        form="geojson|imagej",
    conda:
        "../envs/pipeline.yaml"
    threads: at_most(4)
    resources:
        mem_mb=growing(8000, 0.4, in_shard),
        runtime=minutes(60, 1 / 60, in_dataset),
    params:
        negative=lambda wildcards: settings.negative,
        code=code("export_fields"),
    message:
        "Write the fields of {wildcards.ds} as {wildcards.form}"
    script:
        "../workflow/scripts/export_fields.py"


rule export_ome_zarr:
    input:
        answer="results/cells/{ds}.parquet",
        store=lambda wildcards: f"results/store/{wildcards.ds}/{zarr_shard(wildcards)}.h5",
        masks=lambda wildcards: f"results/masks/{wildcards.ds}/{zarr_shard(wildcards)}.h5",
        image_table=lambda wildcards: image_tables_of([wildcards.ds]),
        classes=settings.classes,
    output:
        directory("results/export/{ds}/ome_zarr/{name}.ome.zarr"),
    log:
        "results/logs/export/{ds}.{name}.ome_zarr.log",
    wildcard_constraints:
        name="|".join(re.escape(name) for _, name in OME_ZARR) or "(?!)",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000, 0.05, in_dataset),
        runtime=minutes(60),
    params:
        **tracked(results.ome_zarr(settings)),
        field=lambda wildcards: Untracked(OME_ZARR[wildcards.ds, wildcards.name]),
        settings=settings.export.ome_zarr,
        negative=lambda wildcards: settings.negative,
        pixel_size_um=lambda wildcards: Untracked(settings.datasets[wildcards.ds].pixel_size_um),
        raw=lambda wildcards: Untracked(raw_dataset(wildcards.ds)),
        max_megapixels=Untracked(settings.ingest.max_megapixels),
        code=code("export_ome_zarr"),
    message:
        "Write the field {wildcards.name} of {wildcards.ds} as OME-Zarr"
    script:
        "../workflow/scripts/export_ome_zarr.py"


rule export:
    input:
        [path for form in settings.export.formats for path in EXPORTS[form]],
