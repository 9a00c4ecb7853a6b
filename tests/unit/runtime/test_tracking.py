from types import SimpleNamespace

from puzzlecell.runtime.tracking import Untracked, tracked, tracked_by, tracked_texts


def test_every_setting_is_a_parameter_that_names_its_key():
    given = tracked({"step1.quantile": "0.99", "step1.tta.flip": "{false}"})
    texts = {name: parameter(None) for name, parameter in given.items()}
    assert texts == {
        "tracked step1.quantile": "step1.quantile: 0.99",
        "tracked step1.tta.flip": "step1.tta.flip: {false}",
    }


def test_settings_that_differ_between_jobs_are_chosen_by_their_wildcards():
    settings = {"a": {"seed": "1", "size": "2"}, "b": {"seed": "3"}}
    given = tracked_by(settings, lambda wildcards: wildcards.ds)
    of_a, of_b = ([text(SimpleNamespace(ds=ds)) for text in given.values()] for ds in "ab")
    assert of_a == ["seed: 1", "size: 2"]
    assert of_b == ["seed: 3", Untracked()]


def test_tracked_texts_of_a_job_are_its_compared_settings():
    params = {"tracked b": "b: 1", "tracked a": "a: 2", "tracked c": Untracked(), "images": "data/images"}
    assert tracked_texts(params) == ["a: 2", "b: 1"]
