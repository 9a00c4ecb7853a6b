"""The table of measured rates: what the parts of the workflow cost where no run has been measured yet.

Processor time on one core of an AMD EPYC with AVX-512, from `OMP_NUM_THREADS=1 python benchmarks/rates.py`,
`network_rates.py` and, for `subcell`, `subcell.py`. No GPU was measured.
"""

SECONDS: dict[str, float] = {
    "start ablation": 3.6,
    "start ensemble": 0.425,
    "start features": 3.65,
    "start holdout_stage": 3.2,
    "start ingest": 0.389,
    "start join_holdout": 0.342,
    "start oof_fold": 3.24,
    "start oof_metrics": 1.12,
    "start score": 0.701,
    "start segment": 0.742,
    "start simulate": 0.568,
    "start split_folds": 0.342,
    "start step1": 3.47,
    "start step2": 3.7,
    "start submission": 0.599,
    "start train": 4.44,
    "start train_cells": 4.5,
    "start train_head": 5.07,
    "start training_look": 4.45,
    "start unlike_training": 4.41,
    "simulate field": 0.000624,
    "simulate Mpx": 0.428,
    "ingest field": 0.00284,
    "ingest Mpx": 0.0571,
    "classical field": 0.00828,
    "classical Mpx": 0.774,
    "ensemble cell": 3.87e-05,
    "submission cell": 0.000147,
    "score cell": 0.0014,
    "step1 field": 0.00334,
    "step1 Mpx": 0.0274,
    "step2 cell": 0.000366,
    "unlike field": 0.00227,
    "unlike Mpx": 0.123,
    "hpa labelling Mpx": 0.0533,
    "load Mpx": 0.0201,
    "features MB": 0.00364,
    "head MB": 0.00283,
    "view cell": 0.00086,
    "view Mpx": 0.104,
}
"""Seconds to start the script of a job, and per field, megapixel or cell of what is not a network."""

GFLOP_PER_SECOND: dict[str, float] = {
    "infer tf_efficientnet_lite0": 29.7,
    "train tf_efficientnet_lite0": 53.2,
    "infer seresnext50_32x4d": 77.5,
    "train seresnext50_32x4d": 149,
    "infer seresnext101_32x4d": 86.8,
    "train seresnext101_32x4d": 163,
    "infer cspresnext50": 63.8,
    "train cspresnext50": 148,
    "infer regnety_064": 88.0,
    "train regnety_064": 162,
    "infer vit_small_patch16_224": 102,
    "train vit_small_patch16_224": 99.3,
    "infer hpa_dpn": 166,
    "infer subcell": 107,
}
"""Operations per second, in 1e9, of networks in batches of 16 fields: prediction (`infer`) and training (`train`)."""

BYTES: dict[str, float] = {
    "simulated": 7.37,
    "store": 3.35,
    "masks": 0.0284,
    "cell table": 53.3,
    "step table": 73.8,
    "unlike table": 55.6,
    "answer": 163,
    "submission": 3623,
    "export_h5ad": 286,
    "export_csv": 109,
    "overlay": 3534000,
    "oof table": 217,
    "view cell": 752,
    "view picture": 0.22,
}
"""Bytes per pixel of a field (`simulated`, `store`, `masks`) or of a picture (`view picture`), per shard (`overlay`)
and per cell (the others)."""
