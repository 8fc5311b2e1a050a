"""MONAI bundles: read without running anything, the same answer as MONAI's own pipeline, registered like our own models."""

from __future__ import annotations

import importlib
import json
import pickle
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from cad.datasets.store import SCANS
from cad.datasets.stored import read_scan
from cad.errors import ModelError, Refusal
from cad.model import ModelVersion
from cad.networks import LoadedModel
from cad.space import Grid
from cad.tasks.outside import OutsideSettings, OutsideTask, candidates_of, seen_by, segmented
from cad.volume import Volume
from pipelines import wiring
from pipelines.config import Settings
from pipelines.registry.bundles import read_bundle
from pipelines.registry.importing import import_model
from pipelines.registry.shipped import FolderModels

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "cad"), str(Path(__file__).resolve().parents[1] / "cad" / "datasets")]
make = importlib.import_module("layout_makers")

ROI, PIXDIM = [16, 16, 16], [1.5, 1.5, 2.0]
SEGMENTATION = {
    "imports": ["$import glob", "$import os"],
    "bundle_root": ".",
    "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
    "network_def": {
        "_target_": "UNet",
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": 3,
        "channels": [4, 8],
        "strides": [2],
        "num_res_units": 1,
        "norm": "batch",
    },
    "network": "$@network_def.to(@device)",
    "preprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "LoadImaged", "keys": "image"},
            {"_target_": "EnsureChannelFirstd", "keys": "image"},
            {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
            {"_target_": "Spacingd", "keys": "image", "pixdim": PIXDIM, "mode": "bilinear"},
            {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": -57, "a_max": 164, "b_min": 0, "b_max": 1, "clip": True},
        ],
    },
    "inferer": {"_target_": "SlidingWindowInferer", "roi_size": ROI, "sw_batch_size": 4, "overlap": 0.5, "mode": "gaussian"},
    "postprocessing": {"_target_": "Compose", "transforms": [{"_target_": "Activationsd", "keys": "pred", "softmax": True}]},
}
DETECTION = {
    "spatial_dims": 3,
    "patch": [24, 16, 16],
    "backbone": "$monai.networks.nets.resnet.resnet10(spatial_dims=3, n_input_channels=1, conv1_t_stride=[1,1,1], conv1_t_size=[3,3,3], "
    "widen_factor=0.0625)",
    "feature_extractor": "$monai.apps.detection.networks.retinanet_network.resnet_fpn_feature_extractor(@backbone,3,False,[1],None)",
    "anchor_generator": {
        "_target_": "monai.apps.detection.utils.anchor_utils.AnchorGeneratorWithAnchorShape",
        "feature_map_scales": [1, 2],
        "base_anchor_shapes": [[6, 8, 4], [8, 6, 5]],
    },
    "network_def": {
        "_target_": "RetinaNet",
        "spatial_dims": "@spatial_dims",
        "num_classes": 1,
        "num_anchors": 2,
        "feature_extractor": "@feature_extractor",
        "size_divisible": [8, 8, 8],
        "use_list_output": False,
    },
    "detector_ops": [
        "$@detector.set_target_keys(box_key='box', label_key='label')",
        "$@detector.set_box_selector_parameters(score_thresh=0.3,topk_candidates_per_level=100,nms_thresh=0.22,detections_per_img=30)",
        "$@detector.set_sliding_window_inferer(roi_size=@patch,overlap=0.25,sw_batch_size=1,mode='constant',device='cpu')",
    ],
    "preprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "LoadImaged", "keys": "image"},
            {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
            {"_target_": "Spacingd", "keys": "image", "pixdim": [2.0, 2.0, 2.0]},
            {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": -1024, "a_max": 300, "b_min": 0, "b_max": 1, "clip": True},
        ],
    },
}
METADATA = {
    "name": "Tiny spleen and liver CT",
    "version": "0.3.1",
    "authors": "made for a test",
    "network_data_format": {
        "inputs": {"image": {"type": "image", "modality": "CT", "num_channels": 1}},
        "outputs": {"pred": {"channel_def": {"0": "background", "1": "Spleen", "2": "Liver"}}},
    },
}


def bundle(folder: Path, config: dict, **metadata) -> Path:
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs/inference.json").write_text(json.dumps(config))
    (folder / "configs/metadata.json").write_text(json.dumps(METADATA | metadata))
    return folder


def with_weights(folder: Path, config: dict, **metadata) -> Path:
    """Weights come from a network that the reader itself builds: what is under test later is that they land in the same place."""
    from cad.monai_networks import built
    from pipelines.registry.bundle_config import BundleConfig

    torch.manual_seed(2)
    network = built(BundleConfig(config).plain("network_def"))
    for name, weight in network.named_parameters():
        if name.startswith("classification_head.cls_logits"):
            torch.nn.init.normal_(weight, 0, 0.05)
    torch.save(network.state_dict(), bundle(folder, config, **metadata) / "models/model.pt")
    return folder


@pytest.fixture(scope="module")
def spleen(tmp_path_factory):
    return with_weights(tmp_path_factory.mktemp("bundles") / "spleen", SEGMENTATION)


@pytest.fixture
def scan():
    """Smooth values on an axial LPS grid of the bundle's own spacing (2 mm slices), so that nothing is interpolated."""
    rng = np.random.default_rng(3)
    rough = rng.normal(40, 400, (5, 6, 7))
    voxels = np.kron(rough, np.ones((4, 4, 4))).astype(np.int16)
    return Volume(voxels, Grid.axial(voxels.shape, (2.0, 1.5, 1.5), (-20, -30, 10)))


def test_the_label_map_is_what_monais_own_pipeline_gives(spleen, scan, tmp_path):
    found = read_bundle(spleen, "abdomen")
    seen = seen_by(scan, found.settings)
    labels = segmented(lambda batch: found.network(torch.from_numpy(batch)).detach().numpy(), np.asarray(seen.voxels), found.settings)
    affine = np.diag([-1.0, -1, 1, 1]) @ scan.grid.affine[:, [2, 1, 0, 3]]
    nib.save(nib.Nifti1Image(np.asarray(scan.voxels).transpose(2, 1, 0), affine), tmp_path / "scan.nii")
    parser = ConfigParser(SEGMENTATION)
    data = parser.get_parsed_content("preprocessing")({"image": tmp_path / "scan.nii"})
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(spleen / "models/model.pt", weights_only=True))
    with torch.inference_mode():
        expected = parser.get_parsed_content("inferer")(data["image"][None], network)[0].argmax(0).numpy()
    assert labels.shape == expected.shape
    assert len(np.unique(labels)) == 3
    assert np.mean(labels == expected) > 0.999
    first = data["image"].affine.numpy() @ [0, 0, 0, 1]
    np.testing.assert_allclose(seen.grid.to_mm((0, 0, 0)) * [-1, -1, 1], first[:3], atol=1e-4)


def test_a_structure_lies_where_it_lay_after_resampling(spleen):
    """A bright block on a grid of another spacing and another axis order keeps its middle to half a voxel."""
    settings = read_bundle(spleen, "abdomen").settings
    grid = Grid.axial((40, 50, 60), (1.1, 0.9, 0.8), (5, -7, 30))
    voxels = np.full(grid.shape, -500, dtype=np.int16)
    voxels[10:20, 20:34, 24:44] = 500
    seen = seen_by(Volume(voxels, grid), settings)
    middle = seen.grid.to_mm(np.argwhere(np.asarray(seen.voxels) > 0.5).mean(axis=0))
    np.testing.assert_allclose(middle, grid.to_mm((14.5, 26.5, 33.5)), atol=1.0)
    np.testing.assert_allclose(seen.grid.spacing_mm, PIXDIM)


def test_it_is_registered_and_runs_like_one_of_our_own(spleen, scan, tmp_path, capsys):
    version = import_model(spleen, "abdomen", tmp_path / "models", name="", data=None, agreement=3, say=print)
    assert (version.name, version.version) == ("tiny_spleen_and_liver_ct", "0.3.1")
    store = FolderModels(tmp_path / "models")
    store.verify(version)
    assert "sha256 of models/model.pt" in store.card(version)
    task = wiring.tasks(store)["tiny_spleen_and_liver_ct"]
    assert isinstance(task, OutsideTask)
    assert OutsideSettings.from_dict(store.load(version).settings) == task.settings
    result = task.run(scan, store.load(version), lang="en", progress=lambda _: None)
    assert not isinstance(result, Refusal)
    assert [m.name for m in result.measurements] == ["volume_spleen", "volume_liver"]
    assert all(m.unit == "mL" for m in result.measurements)
    assert result.warnings[0].reason == "novelty_unknown"
    assert "tiny_spleen_and_liver_ct" in wiring.bench(Settings(models=tmp_path / "models")).tasks


def test_the_command_imports_and_an_edited_file_never_loads(spleen, tmp_path, monkeypatch):
    from pipelines import cli

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "models").mkdir()
    arguments = ["models", "import", str(spleen), "--body", "abdomen", "--models", str(tmp_path / "models")]
    assert cli.run(arguments) == 0
    (path,) = (tmp_path / "models").glob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    store = FolderModels(tmp_path / "models")
    with pytest.raises(ModelError, match="weights were changed"):
        store.load(store.current("tiny_spleen_and_liver_ct"))


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return with_weights(tmp_path_factory.mktemp("bundles") / "nodules", DETECTION, name="nodule detector")


def test_a_detector_is_read_from_the_form_that_published_bundles_have(detector):
    found = read_bundle(detector, "chest")
    boxes = found.settings.boxes
    assert boxes is not None
    assert (boxes.score_threshold, boxes.per_level, boxes.overlap, boxes.most, boxes.roi) == (0.3, 100, 0.22, 30, (24, 16, 16))
    assert boxes.anchor_shapes == ((6, 8, 4), (8, 6, 5))


def test_a_detector_without_a_calibration_refuses_to_run(detector, scan, tmp_path):
    said = []
    version = import_model(detector, "chest", tmp_path, name="", data=None, agreement=1, say=said.append)
    assert "no calibration" in said[0]
    store = FolderModels(tmp_path)
    with pytest.raises(ModelError, match="never calibrated"):
        wiring.tasks(store)["nodule_detector"].run(scan, store.load(version), lang="en", progress=lambda _: None)


def test_a_detector_is_calibrated_on_labelled_scans_and_then_shows_findings(detector, tmp_path):
    """Its weights are random, so the truth is drawn where it happens to mark: what counts is that every step takes place and is told."""
    make.decathlon(tmp_path / "source", cases=4)
    found = read_bundle(detector, "chest")
    model = LoadedModel(found.header, ModelVersion("", "", "", "", ""), {"network": found.network})
    for n in range(3):
        mark = candidates_of(seen_by(Volume(make.ct(n), make.GRID), found.settings), model, found.settings)[0]
        at = np.rint(make.GRID.to_index(mark.centre_mm)).astype(int)
        mask = np.zeros(make.GRID.shape, dtype=np.uint8)
        mask[tuple(slice(max(0, k - 2), k + 3) for k in at)] = 1
        make.nifti(tmp_path / f"source/Task06_Lung/labelsTr/lung_{n + 1:03d}.nii.gz", mask)
    data = make.stored("decathlon", tmp_path / "source", tmp_path / "set")
    version = import_model(detector, "chest", tmp_path / "models", name="", data=data.root, agreement=1, say=lambda _: None)
    store = FolderModels(tmp_path / "models")
    assert "Confidence calibrated on 4 labelled scans" in store.card(version)
    assert data.fingerprint in store.card(version)
    task = wiring.tasks(store)["nodule_detector"]
    scan = read_scan(data.root / SCANS / data.cases[0]["case"]).volume
    result = task.run(scan, store.load(version), lang="ja", progress=lambda _: None)
    assert not isinstance(result, Refusal)
    assert result.findings
    for finding in result.findings:
        assert finding.confidence == task.settings.calibration.apply(finding.candidate.score("detector"))
        assert scan.grid.box().contains(finding.candidate.centre_mm)
        assert finding.statement.clauses


EXPRESSION = "$__import__('os').system('touch /tmp/never')"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"network_def": EXPRESSION}, "network_def"),
        ({"network_def": {"_target_": "UNet", "spatial_dims": EXPRESSION}}, "'system' is not a network"),
        ({"network_def": {"_target_": "subprocess.run", "args": ["true"]}}, "not a network that may be built"),
        ({"network_def": {"_target_": "UNet", "spatial_dims": "$1 + len('ab')"}}, "nothing in a bundle is run"),
        ({"network_def": "@missing"}, "not there"),
        ({"a": "@b", "b": "@a", "network_def": "@a"}, "refers to itself"),
        ({"preprocessing": {"transforms": [{"_target_": "RandGaussianNoised"}]}}, "'RandGaussianNoised' is not known here"),
        ({"preprocessing": {"transforms": []}}, "says no pixdim_mm"),
    ],
    ids=["code", "code-inside", "sum", "other-target", "missing", "circle", "transform", "no-spacing"],
)
def test_what_is_not_a_plain_value_is_refused_by_key(tmp_path, change, says):
    with pytest.raises(ModelError, match=says):
        read_bundle(bundle(tmp_path / "b", SEGMENTATION | change), "abdomen")


class _Evil:
    def __reduce__(self):
        return (Path.touch, (Path("/tmp/never"),))  # noqa: S108 - must never come to be


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path):
    folder = bundle(tmp_path / "b", SEGMENTATION)
    (folder / "models/model.pt").write_bytes(pickle.dumps(_Evil()))
    with pytest.raises(ModelError, match=r"model\.pt"):
        read_bundle(folder, "abdomen")
    torch.save({"model": _Evil()}, folder / "models/model.pt")
    with pytest.raises(ModelError, match="holds more than weights"):
        read_bundle(folder, "abdomen")
    assert not Path("/tmp/never").exists()  # noqa: S108


def test_weights_of_another_network_and_folders_that_are_no_bundle_are_named(tmp_path, spleen):
    folder = bundle(tmp_path / "b", SEGMENTATION | {"network_def": SEGMENTATION["network_def"] | {"channels": [4, 16]}})
    (folder / "models/model.pt").write_bytes((spleen / "models/model.pt").read_bytes())
    with pytest.raises(ModelError, match="does not fit the network"):
        read_bundle(folder, "abdomen")
    with pytest.raises(ModelError, match=r"inference\.json: cannot be read"):
        read_bundle(tmp_path, "abdomen")
    with pytest.raises(ModelError, match="--body"):
        import_model(spleen, "tail", tmp_path, name="", data=None, agreement=3, say=print)
