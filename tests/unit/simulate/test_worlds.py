"""What makes simulated worlds differ: overlap, likeness of classes, wells; and the overlays in config/worlds."""

import hashlib

import numpy as np
import pytest
import yaml
from helpers.paths import ROOT

from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.config.workflow import load_configuration
from puzzlecell.simulate.cells import grow_cells, lay_over
from puzzlecell.simulate.expression import express, well_patterns
from puzzlecell.simulate.field import simulate_field
from puzzlecell.simulate.patterns import NEGATIVE

QUIET = {"noise": 0.0, "background": 0.0, "unevenness": 0.0, "blur": 0.0}
WORLDS = {"dim": (0.35, 0.40), "crowded": (0.03, 0.07), "unseen": (0.17, 0.23)}
"""Overlays, and the range of the share of their cells that show nothing."""


def world(name):
    """Settings of the training set of a world, as Snakemake merges the overlay into the default."""
    default = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    overlay = yaml.safe_load((ROOT / f"config/worlds/{name}.yaml").read_text())
    assert set(overlay) == {"datasets"}
    assert set(overlay["datasets"]) == set(default["datasets"])
    for dataset, given in overlay["datasets"].items():
        assert set(given) == {"simulate"}
        default["datasets"][dataset]["simulate"] |= given["simulate"]
    sets = load_configuration(default, ROOT).datasets
    chosen = [{**given.simulate.model_dump(), "fields": 0} for given in sets.values()]
    assert all(other == chosen[0] for other in chosen)
    return sets["train"].simulate


@pytest.mark.parametrize(
    ("changes", "digest"),
    [
        ({}, "773c58d063028a47"),
        ({"size": 96, "cells": (3, 5), "dim_cells": 0.5, "bit_depth": 8}, "592b50b56c057587"),
    ],
)
def test_fields_stay_as_they_were_before_worlds_could_differ(changes, digest):
    found = hashlib.sha256()
    for index in range(6):
        field = simulate_field("train", index, SimulationSettings(**changes), 1)
        for image in (field.image, field.cells, field.nuclei):
            found.update(image.tobytes())
        found.update(repr(field.cell_labels).encode())
    assert found.hexdigest()[:16] == digest


def test_stain_goes_on_under_neighbours_and_masks_stay():
    rng = np.random.default_rng(0)
    cells = grow_cells(rng, 128, 12, coverage=1.5, smallest=0.3, stretch=1.3)
    labels = np.zeros((128, 128), int)
    for number, cell in enumerate(cells, start=1):
        labels[cell.window][cell.body] = number
    hidden = 0
    for number, (cell, laid) in enumerate(zip(cells, lay_over(cells, 128, 4.0), strict=True), start=1):
        new = laid.body & ~cell.body
        assert (laid.body & cell.outline)[cell.body].all()
        assert not np.isin(labels[cell.window][new], (0, number)).any()
        rows, columns = np.nonzero(cell.body)
        for y, x in np.argwhere(new):
            assert np.hypot(rows - y, columns - x).min() <= 4.1
        np.testing.assert_array_equal(laid.nucleus, cell.nucleus)
        hidden += new.sum()
    assert hidden > 200

    plain = simulate_field("x", 1, SimulationSettings(size=128, coverage=1.5, **QUIET), 1)
    laid = simulate_field("x", 1, SimulationSettings(size=128, coverage=1.5, overlap=8, **QUIET), 1)
    np.testing.assert_array_equal(plain.cells, laid.cells)
    np.testing.assert_array_equal(plain.nuclei, laid.nuclei)
    assert plain.cell_labels == laid.cell_labels
    # Microtubules and reticulum of two cells lie in the overlap.
    assert laid.image[..., [0, 3]].sum() > 1.04 * plain.image[..., [0, 3]].astype(float).sum()


def test_classes_look_more_alike_and_keep_their_light():
    def green(difference):
        chosen = SimulationSettings(class_difference=difference, unspecific=0, **QUIET)
        fields = [simulate_field("x", index, chosen, 1) for index in range(8)]
        return [field.image[..., 1].astype(float) for field in fields], [
            field.image[..., 0] for field in fields
        ]

    (plain, red), (alike, same_red) = green(1.0), green(0.4)
    np.testing.assert_array_equal(red, same_red)
    assert np.abs(np.diff(alike, axis=1)).sum() < 0.7 * np.abs(np.diff(plain, axis=1)).sum()
    assert np.sum(alike) == pytest.approx(np.sum(plain), rel=0.1)


def test_wells_differ_in_staining_and_background_but_not_the_fields_of_one():
    def ratios(setting):
        """Ratio of each well's darkest or brightest pixels to those without a spread, (wells, fields, channels)."""
        plain, spread = (
            [
                simulate_field("x", i, SimulationSettings(size=64, well_spread=s, **setting), 3).image
                for i in range(12)
            ]
            for s in (0, 0.4)
        )
        found = [after.sum((0, 1)) / before.sum((0, 1)) for before, after in zip(plain, spread, strict=True)]
        return np.array(found).reshape(6, 2, 4)

    stain = ratios({**QUIET, "intensity_spread": 0, "bit_depth": 16})
    light = ratios({**QUIET, "background": 0.3, "cells": (1, 1), "coverage": 0.2})
    for found in (stain, light):
        assert np.log(found[:, 0]).std() > 0.1
        # Light lost at full scale and background that lies under the cells leave small differences in a well.
        np.testing.assert_allclose(found[:, 0], found[:, 1], rtol=0.12)


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_has_its_share_of_cells_that_show_nothing(name):
    chosen, rng = world(name), np.random.default_rng(0)
    shown = []
    for well in range(600):
        count = int(rng.integers(chosen.cells[0], chosen.cells[1] + 1))
        shown += express(count, well_patterns(well, chosen, (2020, 1)), chosen, rng)
    least, most = WORLDS[name]
    assert least <= np.mean([labels == (NEGATIVE,) for labels in shown]) <= most
