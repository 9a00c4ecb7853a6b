"""Which patterns simulated wells, fields and cells show."""

from collections import Counter

import numpy as np
import pytest

from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.simulate import patterns as hpa
from puzzlecell.simulate.expression import express, well_patterns
from puzzlecell.simulate.field import simulate_field


def settings(**changes) -> SimulationSettings:
    return SimulationSettings(**{"size": 96, "cells": (3, 5), "fields": 5, **changes})


def test_a_pattern_is_absent_from_the_stated_share_of_the_cells():
    chosen = settings(not_expressing=(0.3, 0.4))
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(400):
        cells, patterns = int(rng.integers(6, 15)), rng.permutation(18)[: rng.integers(1, 4)].tolist()
        shown = express(cells, patterns, chosen, rng)
        assert len(shown) == cells
        for pattern in patterns:
            absent = sum(pattern not in labels for labels in shown)
            assert int(0.3 * cells) <= absent <= np.ceil(0.4 * cells)
            shares.append(absent / cells)
        if len(patterns) > 1:
            assert all(hpa.NEGATIVE not in labels for labels in shown)
        assert set().union(*shown) - {hpa.NEGATIVE} == set(patterns)
    assert 0.34 < np.mean(shares) < 0.36


def test_cells_that_lack_the_only_pattern_are_negative():
    shown = express(10, [7], settings(not_expressing=(0.4, 0.4)), np.random.default_rng(0))
    assert Counter(shown) == {(7,): 6, (18,): 4}


def test_two_patterns_half_absent_leave_every_cell_exactly_one():
    shown = express(8, [2, 9], settings(not_expressing=(0.5, 0.5)), np.random.default_rng(0))
    assert Counter(shown) == {(2,): 4, (9,): 4}


def test_nothing_absent_means_every_cell_shows_all():
    rng = np.random.default_rng(0)
    # Rounding is random, but a share of zero must stay zero.
    assert all(express(7, [4, 1], settings(not_expressing=(0, 0)), rng) == [(1, 4)] * 7 for _ in range(50))


def test_a_negative_field_has_only_negative_cells():
    field = simulate_field("x", 0, settings(negative_fields=1.0), 1)
    assert field.labels == [18]
    assert set(field.cell_labels) == {(18,)}


def test_twenty_wells_show_every_class_and_the_stated_share_is_negative():
    for seed in range(5):
        wells = [well_patterns(well, settings(), (seed, 7)) for well in range(400)]
        assert {p for patterns in wells[:20] for p in patterns} == set(range(18))
        assert [] in wells[:20]
        assert sum(not patterns for patterns in wells) == pytest.approx(0.055 * 400, abs=1)
        counts = Counter(p for patterns in wells for p in patterns)
        assert min(counts.values()) > 0.4 * max(counts.values())


def test_wells_show_one_to_three_patterns_in_the_stated_shares():
    chosen = settings(patterns_per_field=(0.2, 0.5, 0.3), negative_fields=0)
    counts = Counter(len(well_patterns(well, chosen, (1,))) for well in range(3000))
    # Three standard deviations of a share of 0.5 among 3000.
    assert [counts[n] / 3000 for n in (1, 2, 3)] == pytest.approx([0.2, 0.5, 0.3], abs=0.028)


def test_patterns_absent_from_dividing_cells_never_occur_with_the_spindle():
    for well in range(2000):
        patterns = well_patterns(well, settings(patterns_per_field=(0, 0.5, 0.5)), (3,))
        assert len(set(patterns)) == len(patterns)
        if hpa.SPINDLE in patterns:
            assert set(patterns) - {hpa.SPINDLE} <= hpa.SEEN_WHILE_DIVIDING


def test_fields_of_a_well_share_their_patterns():
    chosen = settings(fields_per_well=3, negative_fields=0, patterns_per_field=(0, 1, 0))
    labels = [simulate_field("x", i, chosen, 1).labels for i in range(6)]
    assert labels[0] == labels[1] == labels[2]
    assert labels[3] == labels[4] == labels[5] != labels[0]
