"""Whether small perturbations turn a look-alike into a confident finding, and whether that is noticed.

`python benchmarks/attack.py [--scans N]`: look-alikes of simulated chests, disturbed by noise and by gradient attacks of 10 to 30 HU on
what the classifier sees (more than an attacker can do through a file). "Confident" is a confidence of .7 or more; "noticed" is one whose
claim is taken away (unsteady, or unlike the lesions taught). The adaptive attack knows of the test and aims at all disturbed copies too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from common import keep, table
from lung import Bench, bench, share
from scipy import ndimage
from scipy.special import expit

from cad.detect.cascade import suspects_from
from cad.detect.propose import candidates, lesion_map
from cad.explain.claim import claim
from cad.explain.stability import NOISE, SMOOTHING_VOXELS, probe
from cad.tasks.cascade_task import CascadeSettings
from cad.train.mining import lesion_at

CONFIDENT = 0.7
WINDOW_HU = 1400.0
STEPS = 10
PER_SCAN = 3
Patch = np.ndarray
Attack = Callable[[torch.nn.Module, Patch, float], Patch]


def main() -> None:
    """One row an attack and strength; the last rows are untouched lesions, whose loss is the price of the test."""
    with_what = bench(__doc__ or "", 12)
    settings = CascadeSettings.from_dict(with_what.model.settings)
    if settings.stability.look is None:
        raise SystemExit("the model has no stability reference: it was trained before there was one")
    reducer = with_what.model.stage("reduce")
    found = list(close_ups(with_what, settings))
    rows: dict[str, dict[str, Any]] = {}
    for hit, name in ((False, "look-alikes, untouched"), (True, "lesions, untouched")):
        rows[name] = judged([(patch, offset) for is_lesion, patch, offset in found if is_lesion == hit], settings, reducer)
    normal = [(patch, offset) for is_lesion, patch, offset in found if not is_lesion]
    for name, attack in ATTACKS.items():
        for hu in (10.0, 20.0, 30.0):
            hurt = [(attack(reducer, patch, hu / WINDOW_HU), offset) for patch, offset in normal]
            rows[f"{name}, {hu:g} HU"] = judged(hurt, settings, reducer)
            print(name, hu, rows[f"{name}, {hu:g} HU"], flush=True)
    table(
        "attacks",
        ("what", "confident", "of those noticed", "confident and unnoticed"),
        [(name, *row.values()) for name, row in rows.items()],
    )
    keep("attack", {"weights": with_what.model.version.sha256, "rows": rows})


def close_ups(with_what: Bench, settings: CascadeSettings) -> Iterator[tuple[bool, Patch, float]]:
    """(lies on a lesion, what the classifier sees, what the proposal adds to the logit) of the best candidates of each scan."""
    for case in with_what.cases("test"):
        everywhere = np.ones(case.seen.image.grid.shape[0], dtype=bool)
        heat = lesion_map(case.seen, everywhere, with_what.model.forward("propose"))
        proposed = candidates(heat, settings.thresholds.propose)
        suspects = suspects_from(case.source, proposed, case.seen, settings.sight, with_what.model)
        wrong = [s for s in suspects if not lesion_at(case, s.candidate.centre_mm)]
        right = [s for s in suspects if lesion_at(case, s.candidate.centre_mm)]
        for hit, chosen in ((False, wrong[:PER_SCAN]), (True, right[:PER_SCAN])):
            for suspect in chosen:
                patch = suspect.pixels[0]
                yield hit, patch, suspect.logit - settings.fusion.reduce * logit_of(with_what.model.stage("reduce"), patch)


def logit_of(reducer: torch.nn.Module, patch: Patch) -> float:
    """The classifier's logit."""
    with torch.inference_mode():
        return float(reducer(torch.from_numpy(np.ascontiguousarray(patch))[None, None])[0, 0])


def judged(patches: list[tuple[Patch, float]], settings: CascadeSettings, reducer: torch.nn.Module) -> dict[str, str]:
    """How many are confident, and how many of those have their claim taken away."""
    confident, noticed = 0, 0
    for patch, offset in patches:
        logit = offset + settings.fusion.reduce * logit_of(reducer, patch)
        if settings.calibration.apply(float(expit(logit))) >= CONFIDENT:
            confident += 1
            noticed += not claim(logit, probe(patch, reducer), settings.verdicts, settings.stability, "familiar").calibrated
    n = len(patches)
    return {"confident": share(confident, n), "noticed": share(noticed, confident), "unnoticed": share(confident - noticed, n)}


def noise(_reducer: torch.nn.Module, patch: Patch, strength: float) -> Patch:
    """Gaussian noise of that standard deviation."""
    return np.asarray(patch + np.random.default_rng(0).normal(0, strength, patch.shape), dtype=np.float32)


def fgsm(reducer: torch.nn.Module, patch: Patch, strength: float) -> Patch:
    """One step along the gradient's sign (Goodfellow et al., ICLR 2015)."""
    return _ascended(patch, strength, 1, lambda x: reducer(x)[:, 0].sum())


def pgd(reducer: torch.nn.Module, patch: Patch, strength: float) -> Patch:
    """Ten projected steps (Madry et al., ICLR 2018)."""
    return _ascended(patch, strength, STEPS, lambda x: reducer(x)[:, 0].sum())


def adaptive(reducer: torch.nn.Module, patch: Patch, strength: float) -> Patch:
    """The same against the mean of the picture and its smoothed and noisy copies, so that none of them falls."""
    kernels = [_gaussian(sigma) for sigma in SMOOTHING_VOXELS]
    shake = torch.from_numpy(np.random.default_rng(0).normal(0, NOISE, patch.shape).astype(np.float32))

    def all_copies(x: torch.Tensor) -> torch.Tensor:
        smooth = [torch.nn.functional.conv3d(x, kernel, padding=kernel.shape[-1] // 2) for kernel in kernels]
        total: torch.Tensor = reducer(torch.cat([x, *smooth, x + shake]))[:, 0].sum()
        return total

    return _ascended(patch, strength, STEPS, all_copies)


def _ascended(patch: Patch, strength: float, steps: int, gain: Callable[[torch.Tensor], torch.Tensor]) -> Patch:
    start = torch.from_numpy(np.ascontiguousarray(patch, dtype=np.float32))[None, None]
    x = start.clone()
    for _ in range(steps):
        x.requires_grad_()
        (slope,) = torch.autograd.grad(gain(x), x)
        step = strength if steps == 1 else 2.5 * strength / steps
        x = (start + (x.detach() + step * slope.sign() - start).clamp(-strength, strength)).clamp(0, 1)
    return np.asarray(x.detach().numpy()[0, 0])


def _gaussian(sigma: float) -> torch.Tensor:
    spike = np.zeros((9, 9, 9), dtype=np.float32)
    spike[4, 4, 4] = 1
    return torch.from_numpy(ndimage.gaussian_filter(spike, sigma))[None, None]


ATTACKS: dict[str, Attack] = {"noise": noise, "FGSM": fgsm, "PGD": pgd, "PGD, adaptive": adaptive}

if __name__ == "__main__":
    main()
