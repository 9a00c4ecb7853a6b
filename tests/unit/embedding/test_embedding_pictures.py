"""Pictures of embeddings: principal components against a plain computation, samples, names of classes."""

from importlib.util import find_spec

import numpy as np
import pytest
from helpers.export_data import CLASSES, write_export_data
from PIL import Image

from puzzlecell.config.embeddings import EmbeddingSettings
from puzzlecell.data.embedding_file import embedding_writer
from puzzlecell.data.tables import read_csv, read_parquet
from puzzlecell.embedding.picture import NO_CLASS, write_picture
from puzzlecell.embedding.projection import Projection, projected
from puzzlecell.embedding.run import write_embedding_picture
from puzzlecell.embedding.sample import read_sample
from puzzlecell.errors import UserError
from puzzlecell.formats.answer import most_probable


@pytest.mark.parametrize("shape", [(50, 8), (6, 20), (40, 1)])
def test_principal_components(shape):
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32) * np.arange(1, shape[1] + 1)
    found = projected(values, "pca", EmbeddingSettings())
    centred = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)
    _, lengths, directions = np.linalg.svd(centred, full_matrices=False)
    expected = np.zeros((len(values), 2))
    for number, direction in enumerate(directions[:2]):
        sign = np.sign(direction[np.abs(direction).argmax()])
        expected[:, number] = sign * centred @ direction
    np.testing.assert_allclose(found.places, expected, atol=1e-4)
    share = lengths[0] ** 2 / (lengths**2).sum()
    assert found.axes[0] == f"principal component 1 ({share:.0%} of the variance)"
    # To the bit.
    np.testing.assert_array_equal(projected(values, "pca", EmbeddingSettings()).places, found.places)


def test_equal_embeddings_and_too_few():
    assert not projected(np.ones((5, 4), np.float32), "pca", EmbeddingSettings()).places.any()
    with pytest.raises(UserError, match="only 2 cells have embeddings; a picture needs at least 3"):
        projected(np.ones((2, 4), np.float32), "pca", EmbeddingSettings())


@pytest.mark.skipif(find_spec("umap") is None, reason="umap-learn is an extra")
def test_umap_keeps_groups_apart_and_repeats():
    random = np.random.default_rng(0)
    centres = np.repeat(np.eye(3), 30, axis=0) * 5
    values = (centres + random.normal(size=centres.shape) * 0.1).astype(np.float32)
    settings = EmbeddingSettings(umap={"neighbours": 10})
    found = projected(values, "umap", settings).places
    np.testing.assert_array_equal(projected(values, "umap", settings).places, found)
    groups = found.reshape(3, 30, 2)
    spread = np.abs(groups - groups.mean(axis=1, keepdims=True)).max()
    middles = groups.mean(axis=1)
    assert min(np.linalg.norm(middles[a] - middles[b]) for a, b in ((0, 1), (0, 2), (1, 2))) > spread
    with pytest.raises(UserError, match=r"embeddings.umap.neighbours: 15 for 5 cells"):
        projected(values[:5], "umap", EmbeddingSettings())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    made, values, paths = write_export_data(folder), [], []
    for number, path in enumerate(made.cell_tables):
        cells = read_parquet(path, ["ID", "cell"])
        values.append(np.random.default_rng(number).normal(size=(len(cells), 4)).astype(np.float16))
        paths.append(folder / f"{number:03d}.h5")
        with embedding_writer(paths[-1], cells, 4, {}) as out:
            out.write(cells["ID"].tolist(), cells["cell"].tolist(), values[-1])
    return made, paths, np.concatenate(values)


@pytest.mark.parametrize("most", [2, 5, 100])
def test_samples_are_rows_of_both_tables(data, most):
    made, paths, values = data
    found = read_sample(paths, made.answer, len(CLASSES), most=most, seed=1)
    assert (len(found.cells), found.total) == (min(most, len(values)), len(values))
    keys = list(zip(made.table["ID"], made.table["cell"], strict=True))
    rows = [keys.index(key) for key in zip(found.cells["ID"], found.cells["cell"], strict=True)]
    assert rows == sorted(set(rows))
    np.testing.assert_array_equal(found.values, values[rows])
    probabilities = made.table[["p00", "p01", "p02", "p03"]].to_numpy()[rows]
    assert found.cells["class"].tolist() == most_probable(probabilities).tolist()
    other = read_sample(paths, made.answer, len(CLASSES), most=most, seed=2)
    assert (most == 100) == found.cells.equals(other.cells)


def test_other_cells_are_refused(data, tmp_path):
    made, paths, _ = data
    with pytest.raises(UserError, match="has 12 cells, but there are embeddings of 8"):
        read_sample(paths[:1], made.answer, len(CLASSES), most=9, seed=0)
    with pytest.raises(UserError, match=r"other cells than in .*answer.parquet; delete it"):
        read_sample(paths[::-1], made.answer, len(CLASSES), most=9, seed=0)


def test_picture_and_table(data, tmp_path):
    made, paths, _ = data
    picture, table = tmp_path / "pca.png", tmp_path / "pca.csv"
    write_embedding_picture(
        picture,
        table,
        embeddings=paths,
        answer=made.answer,
        method="pca",
        title="test, m.s",
        classes=CLASSES,
        negative="Negative",
        settings=EmbeddingSettings(),
    )
    found = read_csv(table)
    assert found.columns.tolist() == ["ID", "cell", "x", "y", "class", "probability"]
    assert found[["ID", "cell"]].to_numpy().tolist() == made.table[["ID", "cell"]].to_numpy().tolist()
    # The second cell of the table has no class.
    assert [name == NO_CLASS for name in found["class"]] == [row == 1 for row in range(len(found))]
    with Image.open(picture) as image:
        assert image.size == (1100, 880)


def test_names_can_be_read_and_pale_points_seen(tmp_path, monkeypatch):
    """Nineteen classes at one place: their names are apart, and inside the picture; points have dark edges."""
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    kept = {}
    monkeypatch.setattr(
        Figure, "savefig", lambda self, path, **given: kept.update(figure=self) or path.touch()
    )
    names = [f"a rather long name {number}" for number in range(19)]
    places = np.random.default_rng(0).normal(size=(1900, 2)).astype(np.float32)
    colours = dict.fromkeys(names, (250, 240, 230))
    write_picture(tmp_path / "a.png", Projection(places, ("x", "y")), names * 100, colours, "t")
    (axes,) = kept["figure"].axes
    for points in axes.collections:
        assert points.get_edgecolor()[0, :3].max() <= 0.5 and points.get_linewidth()[0] > 0.1
    renderer = kept["figure"].canvas.get_renderer()
    assert sorted(text.get_text() for text in axes.texts) == sorted(names)
    # Without the lines to the medians.
    for text in axes.texts:
        text.update_positions(renderer)
    boxes = [Text.get_window_extent(text, renderer) for text in axes.texts]
    frame = axes.get_window_extent()
    for number, box in enumerate(boxes):
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
        for other in boxes[number + 1 :]:
            beside = box.x1 + 4 <= other.x0 or other.x1 + 4 <= box.x0
            apart = beside or box.y1 + 2 <= other.y0 or other.y1 + 2 <= box.y0
            assert apart, (number, box, other)
