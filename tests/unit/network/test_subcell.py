"""SubCell's network, against a plain computation on the published tensors, and the conversion of its checkpoints."""

import pytest
import torch
from helpers.subcell_data import (
    DEPTH,
    PATCH,
    SIDE,
    WIDTH,
    classifier_state,
    encoder_state,
    write_checkpoints,
)

from puzzlecell.cli.main import main
from puzzlecell.errors import DamagedFileError
from puzzlecell.network.convert_subcell import convert_subcell
from puzzlecell.network.network_file import NetworkError
from puzzlecell.network.subcell import load_subcell
from puzzlecell.network.subcell_file import LOCATIONS, read_subcell_file


def plain(state, heads, crops):
    """Probabilities and embeddings as the definition of the network says, token by token."""

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-12).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    found = []
    kernels = state["encoder.embeddings.patch_embeddings.projection.weight"]
    for crop in crops:
        patches = [
            crop[:, y : y + PATCH, x : x + PATCH].flatten() @ kernels.flatten(1).T
            + state["encoder.embeddings.patch_embeddings.projection.bias"]
            for y in range(0, SIDE * PATCH, PATCH)
            for x in range(0, SIDE * PATCH, PATCH)
        ]
        tokens = torch.stack([state["encoder.embeddings.cls_token"][0, 0], *patches])
        tokens = tokens + state["encoder.embeddings.position_embeddings"][0]
        for number in range(DEPTH):
            block = f"encoder.encoder.layer.{number}"
            seen = norm(tokens, f"{block}.layernorm_before")
            query, key, value = (
                linear(seen, f"{block}.attention.attention.{part}") for part in ("query", "key", "value")
            )
            # One head of 64 numbers.
            attended = (query @ key.T / WIDTH**0.5).softmax(-1) @ value
            tokens = tokens + linear(attended, f"{block}.attention.output.dense")
            hidden = torch.nn.functional.gelu(
                linear(norm(tokens, f"{block}.layernorm_after"), f"{block}.intermediate.dense")
            )
            tokens = tokens + linear(hidden, f"{block}.output.dense")
        tokens = norm(tokens, "encoder.layernorm")
        gate = torch.nn.functional.gelu(linear(tokens, "pool_model.attention_u.1"))
        weights = linear(
            torch.tanh(linear(tokens, "pool_model.attention_v.1")) * gate, "pool_model.attention"
        )
        found.append((weights.softmax(0).T @ tokens).flatten())
    embedding = torch.stack(found)
    outputs = []
    for head in heads:
        x = embedding
        for index in ("0", "3", "6"):
            x = x @ head[f"{index}.weight"].T + head[f"{index}.bias"]
            x = x if index == "6" else x.relu()
        outputs.append(x.sigmoid())
    return torch.stack(outputs).mean(0), embedding


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return write_checkpoints(tmp_path_factory.mktemp("subcell"))


@pytest.mark.parametrize("channels", ["rybg", "rbg", "ybg", "bg"])
def test_a_converted_network_computes_what_the_published_tensors_say(tmp_path, channels):
    encoder, heads = write_checkpoints(tmp_path / "published", len(channels))
    target = tmp_path / "subcell.safetensors"
    main(["convert-subcell", str(encoder), *map(str, heads), "--output", str(target), "--channels", channels])
    network = load_subcell(target)
    assert network.layout.channels == channels
    assert (network.layout.image, network.layout.embedding) == (SIDE * PATCH, 2 * WIDTH)
    crops = torch.rand(
        3, len(channels), SIDE * PATCH, SIDE * PATCH, generator=torch.Generator().manual_seed(3)
    )
    with torch.inference_mode():
        probabilities, embeddings = network(crops)
    expected = plain(encoder_state(len(channels)), [classifier_state(0), classifier_state(1)], crops)
    assert probabilities.shape == (3, len(LOCATIONS))
    torch.testing.assert_close(embeddings, expected[1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(probabilities, expected[0], atol=1e-5, rtol=1e-5)


def changed(state, **changes):
    """A state dict with other tensors under some names; None: without them."""
    found = {**state, **changes}
    return {name: tensor for name, tensor in found.items() if tensor is not None}


KEY = "encoder.encoder.layer.1.attention.attention.key.weight"


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ({KEY: None}, f"there is no tensor {KEY}"),
        ({KEY: torch.zeros(64, 60)}, "query.weight and those of key and value have unlike shapes"),
        (
            {"pool_model.attention_v.1.weight": torch.zeros(30, 64)},
            r"attention_v.1.weight has the shape \(30, 64\)",
        ),
        ({"encoder.embeddings.cls_token": torch.zeros(1, 1, 63)}, r"cls_token has the shape \(1, 1, 63\)"),
        (
            {"encoder.embeddings.position_embeddings": torch.zeros(1, 9, 64)},
            r"expected \(1, 1 \+ side\^2, 64\)",
        ),
        ({"encoder.layernorm.weight": torch.ones(64, dtype=torch.int64)}, "floating-point numbers"),
        ({"encoder.encoder.layer.7.x": torch.zeros(1)}, r"found the layers \[0, 1, 7\]"),
    ],
)
def test_another_encoder_is_refused_with_the_first_tensor_that_does_not_fit(
    tmp_path, published, encoder, message
):
    path = tmp_path / "encoder.pth"
    torch.save(changed(encoder_state(), **encoder), path)
    with pytest.raises(NetworkError, match=message) as raised:
        convert_subcell(path, published[1], tmp_path / "out.safetensors")
    assert str(path) in str(raised.value)
    assert not (tmp_path / "out.safetensors").exists()


def test_other_classifiers_and_channels_are_refused(tmp_path, published):
    encoder, heads = published
    other = tmp_path / "classifier.pth"
    torch.save(changed(classifier_state(), **{"6.weight": torch.zeros(19, 12)}), other)
    with pytest.raises(NetworkError, match="6.weight has 19 outputs; expected the 31 locations"):
        convert_subcell(encoder, [other], tmp_path / "out")
    with pytest.raises(NetworkError, match=r"6.weight has the shape \(19, 12\)"):
        convert_subcell(encoder, [heads[0], other], tmp_path / "out")
    with pytest.raises(NetworkError, match="a network of 4 channels; --channels is bg"):
        convert_subcell(encoder, heads, tmp_path / "out", "bg")
    three, heads = write_checkpoints(tmp_path / "three", 3)
    with pytest.raises(NetworkError, match="3 channels; say which with --channels rbg or ybg"):
        convert_subcell(three, heads, tmp_path / "out")


def test_tensors_that_are_no_part_of_the_network_are_named(tmp_path, published, caplog):
    path = tmp_path / "encoder.pth"
    torch.save(changed(encoder_state(), **{"decoder.weight": torch.zeros(3)}), path)
    convert_subcell(path, published[1], tmp_path / "out.safetensors")
    assert "1 tensors are no part of the network and left out, such as decoder.weight" in caplog.text


def test_a_damaged_or_foreign_file_is_refused(tmp_path, published):
    encoder, heads = published
    path = tmp_path / "subcell.safetensors"
    convert_subcell(encoder, heads, path)
    assert read_subcell_file(path).classifiers == 2
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="its checksum does not match"):
        load_subcell(path)
    with pytest.raises(NetworkError, match="not a safetensors file"):
        load_subcell(encoder)
