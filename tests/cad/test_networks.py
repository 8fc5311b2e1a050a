"""A model file: what is saved is what loads, and nothing else does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cad.errors import ModelError
from cad.networks import ModelHeader, NetworkSpec, build, load, read_header, save, sha256_of

SPECS = {
    "triage": NetworkSpec("resnet", 2, 3, 1, (4, 4, 8, 8)),
    "propose": NetworkSpec("unet", 3, 1, 1, (4, 8)),
}
HEADER = ModelHeader("some_task", "1", "data", "code", SPECS, {"threshold": 0.5})


@pytest.fixture
def networks():
    torch.manual_seed(3)
    return {stage: build(spec).eval() for stage, spec in SPECS.items()}


def test_what_is_saved_loads_and_computes_the_same(tmp_path, networks):
    digest = save(tmp_path / "model.safetensors", HEADER, networks)
    model = load(tmp_path / "model.safetensors", digest)
    image = torch.rand(1, 1, 16, 16, 16)
    with torch.inference_mode():
        np.testing.assert_array_equal(model.stage("propose")(image), networks["propose"](image))
    assert model.version.sha256 == digest
    assert model.settings == {"threshold": 0.5}
    assert model.header == HEADER


def test_the_same_model_gives_the_same_bytes(tmp_path, networks):
    assert save(tmp_path / "a", HEADER, networks) == save(tmp_path / "b", HEADER, networks)


def test_a_changed_threshold_is_another_file(tmp_path, networks):
    other = replace(HEADER, settings={"threshold": 0.4})
    assert save(tmp_path / "a", HEADER, networks) != save(tmp_path / "b", other, networks)


@pytest.mark.parametrize("where", [0.3, 0.6, 0.95])
def test_one_edited_byte_never_loads(tmp_path, networks, where):
    path = tmp_path / "model.safetensors"
    digest = save(path, HEADER, networks)
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"model.safetensors: .*(changed|not readable)"):
        load(path, digest)


def test_a_file_of_another_kind_is_named(tmp_path):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="accepted: shoken-model-1"):
        read_header(tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(ModelError, match="not readable as safetensors"):
        load(tmp_path / "text.safetensors", sha256_of(tmp_path / "text.safetensors"))
    with pytest.raises(ModelError, match="no such model file"):
        load(tmp_path / "absent.safetensors", "0" * 64)


def test_unknown_networks_and_stages_say_which_there_are(tmp_path, networks):
    with pytest.raises(ModelError, match="accepted: unet, centre, resnet, monai"):
        build(replace(SPECS["triage"], kind="exec"))
    digest = save(tmp_path / "m", HEADER, networks)
    with pytest.raises(ModelError, match="accepted: propose, triage"):
        load(tmp_path / "m", digest).stage("reduce")
