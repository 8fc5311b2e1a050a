"""Studies of several sequences: cached whole, shown as they were drawn, and learned from with some left out."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cad.prepare.inputs import InputRule, NetworkInput, network_input
from cad.simulate.head import HeadPlan, simulate_sequences
from cad.simulate.phantom import Phantom
from cad.space import as_point
from cad.tasks.brain_lesion_mr import TASK
from cad.tasks.brain_recipe import RECIPE, SEQUENCES, head_phantom
from cad.tasks.task import TaskResult
from cad.tasks.training import train_detection
from cad.train.augment import Draw, as_scanned
from cad.train.cascade import STAGES, train_cascade
from cad.train.centres import Blocks, Tiles
from cad.train.checkpoints import Checkpoints
from cad.train.dataset import load_case, make_cases
from cad.train.loop import new_network
from cad.train.mining import Place, first_cubes, marked_places, scenes_of, second_cubes
from cad.train.recipe import Budget


def small_head(seed: int) -> Phantom:
    plan = HeadPlan(shape=(36, 80, 68), spacing_mm=(5, 3, 3), lesions=2)
    first, *others = simulate_sequences(seed, plan, SEQUENCES).values()
    return replace(first, volume=replace(first.volume, beside=tuple(scan.volume for scan in others)))


TINY = replace(
    RECIPE,
    phantom=small_head,
    rule=replace(RECIPE.rule, spacing_mm=4.0, patch_voxels=16, patch_spacing_mm=3.0),
    budget=Budget(5, 3, 2, dict.fromkeys(RECIPE.budget.steps, 2), screened=1),
    workers=1,
    aligned=True,
)

LONGER = replace(
    TINY, budget=replace(TINY.budget, steps=dict.fromkeys(TINY.budget.steps, 4)), learning=replace(TINY.learning, precision="single")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("heads")


@pytest.fixture(scope="module")
def cached(folder: Path) -> dict[str, tuple[Path, ...]]:
    return {part: make_cases(TINY, part, folder / "data", lambda _: None, workers=1) for part in ("train", "calibration", "test")}


def names(seen: NetworkInput) -> set[str]:
    return {picture.source.sequence for picture in seen.pictures if picture}


def test_what_is_trained_on_is_cached_whole_and_shown_as_drawn(cached: dict[str, tuple[Path, ...]]) -> None:
    shown = []
    for path in cached["train"]:
        case, whole = load_case(path), load_case(path, whole=True)
        assert names(whole.seen) == set(SEQUENCES)
        assert whole.source.sequence == "T1c"
        assert case.source.sequence == next(name for name in SEQUENCES if name in names(case.seen))
        assert names(case.seen) | {part.sequence for part in case.unseen} == set(SEQUENCES)
        assert {part.sequence for part in case.source.beside} == names(case.seen) - {case.source.sequence}
        np.testing.assert_array_equal(case.seen.stack().any(axis=(1, 2, 3)), [name in names(case.seen) for name in SEQUENCES])
        shown.append(len(names(case.seen)))
    assert min(shown) < len(SEQUENCES)


def test_what_is_measured_on_is_prepared_as_screening_prepares_it(cached: dict[str, tuple[Path, ...]]) -> None:
    for path in (*cached["calibration"], *cached["test"]):
        case = load_case(path)
        again = network_input(case.source, TINY.rule)
        assert isinstance(again, NetworkInput)
        np.testing.assert_allclose(again.stack(), case.seen.stack(), atol=2e-3)  # half precision on disk
        alone = case.shown_with(("T2",), TINY.rule)
        assert names(alone.seen) == {"T2"}
        assert alone.seen.lacks(TINY.rule) == ("T1c", "FLAIR", "T1")
        assert alone.labels.grid == alone.seen.image.grid


def test_a_cache_of_one_picture_holds_nothing_new(cached: dict[str, tuple[Path, ...]], tmp_path: Path) -> None:
    alone = replace(TINY, rule=replace(TINY.rule, sequences=()), budget=replace(TINY.budget, train=1))
    (path,) = make_cases(alone, "train", tmp_path, lambda _: None, workers=1)
    with np.load(path, allow_pickle=False) as stored:
        assert not [name for name in stored if name.startswith(("image_", "source_T", "source_F"))]
        assert "sequences" not in json.loads(str(stored["facts"]))
    case = load_case(path)
    assert case.seen.pictures == ()
    np.testing.assert_array_equal(case.seen.stack()[0], case.seen.image.voxels)


def test_sequences_are_left_out_but_never_all() -> None:
    rng = np.random.default_rng(0)
    there, draw = np.array([True, False, True, True]), Draw(0.3, (0.4, 0.1, 0.1, 0.0))
    drawn = [draw(there, rng) for _ in range(2000)]
    assert all((kept[0] or kept[2]) and not kept[1] for kept in drawn)
    shares = [np.mean([kept.tolist() == wanted for kept in drawn]) for wanted in ([1, 0, 1, 1], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1])]
    # the share of the second, which is not there, goes to the others that may come alone
    np.testing.assert_allclose(shares, [0.3, 0.6 * 0.8, 0.6 * 0.2, 0.0], atol=0.04)
    assert {int(kept.sum()) for kept in drawn} == {1, 2, 3}
    only_last = np.array([False, False, False, True])
    assert (draw(only_last, rng) == only_last).all()


def test_a_sequence_left_out_is_zero_in_all_its_channels() -> None:
    rng, draw = np.random.default_rng(0), Draw(0.3, (0.4, 0.1, 0.0))
    image = np.full((6, 8, 8), 0.5, dtype=np.float32)
    for _ in range(20):
        changed = as_scanned(image, draw, rng).reshape(3, 2, 8, 8)
        assert set(changed.any(axis=(1, 2, 3))) <= {True, False}
        assert changed.any()
        assert not ((changed == 0).all(axis=(2, 3)) != (changed == 0).all(axis=(1, 2, 3))[:, None]).any()


def test_samplers_give_what_the_networks_take(cached: dict[str, tuple[Path, ...]]) -> None:
    paths, rng = cached["train"][:2], np.random.default_rng(0)
    scenes, specs = scenes_of(paths), TINY.networks
    tiles, _ = Tiles(scenes, specs["triage"].channels_in, pixels=32, batch=2, draw=TINY.draw)(rng)
    blocks, _ = Blocks(scenes, voxels=16, batch=2, draw=TINY.draw)(rng)
    places = marked_places(paths, new_network(specs["propose"], 1).eval())
    near, two = first_cubes(paths, places, TINY.rule, TINY.draw), second_cubes(paths, places, TINY.rule, 1, TINY.draw)
    made = {
        "triage": tiles,
        "propose": blocks,
        "reduce": near.classes(rng)[0],
        "segment": near.masks(rng)[0],
        "second": two.classes(rng)[0],
    }
    assert {stage: batch.shape[1] for stage, batch in made.items()} == {stage: spec.channels_in for stage, spec in specs.items()}


def test_a_model_of_several_sequences_looks_at_any_of_them(cached: dict[str, tuple[Path, ...]], folder: Path) -> None:
    """Trained for two steps a stage: what it finds is nothing worth, that it runs and says what it saw is."""
    trained = train_detection(TINY, replace(TASK, recipe=lambda: TINY), folder, lambda _: None)
    from cad.networks import load, sha256_of

    model = load(trained.file, sha256_of(trained.file))
    assert model.settings["rule"]["sequences"] == list(SEQUENCES)
    assert [one["sequence"] for one in model.settings["rule"]["landmarks"]] == list(SEQUENCES)
    head = small_head(9_000_001).volume
    for shown, lacking in ((SEQUENCES, ""), (("FLAIR",), "T1c, T2, T1 not there"), (("T1", "T2"), "T1c, FLAIR not there")):
        result = TASK.run(head.only(shown), model, lang="en", progress=lambda _: None)
        assert isinstance(result, TaskResult)
        said = [warning.detail for warning in result.warnings if warning.reason == "sequences_missing"]
        assert bool(said) == bool(lacking)
        assert all(lacking in detail for detail in said)
    dark = replace(head, voxels=np.rint(2000 * (head.voxels / 2000) ** 2.5).astype(np.int16))
    result = TASK.run(dark, model, lang="en", progress=lambda _: None)
    assert isinstance(result, TaskResult)
    rule = InputRule.from_dict(model.settings["rule"])
    seen = network_input(dark, rule)
    assert isinstance(seen, NetworkInput)
    (warning,) = result.warnings
    assert warning.reason == "intensity_aligned"
    assert seen.aligned(rule)
    assert all(f"{name} by" in warning.detail for name, _ in seen.aligned(rule))
    card = trained.file.with_suffix(".card.md").read_text()
    assert "Grey values are brought to those of the training data" in card
    assert "all of T1c, FLAIR, T2, T1: lesions shown" in card
    assert "T1c alone: false positives shown a scan" in card
    assert "T2 alone" not in card
    assert "never without T1c or FLAIR" in card


def test_the_recipe_draws_thick_and_thin_sequences_of_one_head() -> None:
    phantom = head_phantom(1_000_003)
    parts = (phantom.volume, *phantom.volume.beside)
    assert tuple(part.sequence for part in parts) == SEQUENCES
    assert isinstance(RECIPE.rule, InputRule)
    extents = [np.subtract(part.grid.box().high_mm, part.grid.box().low_mm) for part in parts]
    assert max(float(np.abs(extent - extents[0]).max()) for extent in extents) < 10


def with_look_alikes(paths: tuple[Path, ...], network: torch.nn.Module) -> tuple[Place, ...]:
    marks = marked_places(paths, network)
    return (*marks, *(replace(mark, centre_mm=as_point(np.add(mark.centre_mm, 30)), hit=0) for mark in marks))


@pytest.mark.parametrize("kept", [1, 4])
def test_killed_between_stages_it_goes_on_to_the_same_bits(
    kept: int, cached: dict[str, tuple[Path, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cad.train.cascade._scores", lambda cubes, _: np.resize(np.float32([-9, 9]), len(cubes.images)))
    monkeypatch.setattr("cad.train.cascade.marked_places", with_look_alikes)
    first, second = Checkpoints(tmp_path / "first", "tiny"), Checkpoints(tmp_path / "second", "tiny")
    whole = train_cascade(LONGER, cached["train"], first, lambda _: None)
    (tmp_path / "second").mkdir()
    for stage in STAGES[:kept]:
        (file,) = (tmp_path / "first").glob(f"{stage}-*.safetensors")
        shutil.copy(file, tmp_path / "second")
    resumed = train_cascade(LONGER, cached["train"], second, lambda _: None)
    for stage, network in resumed.networks.items():
        there, here = whole.networks[stage].state_dict(), network.state_dict()
        assert all(torch.equal(there[name], here[name]) for name in there), stage
