"""Whether small perturbations turn a look-alike into a confident finding, and whether that is noticed.

`python benchmarks/attack.py [--scans N]`: look-alikes of simulated chests, disturbed by noise and by gradient attacks of 10 to 30 HU on
what the classifier sees (more than an attacker can do through a file). The second look sees the same disturbance at its own two scales.
"Confident" is a confidence of .7 or more; "noticed" is one whose claim is taken away (unsteady, or unlike the lesions taught); "turned"
is one that was not confident before. Attacks aim at the classifier alone, the second look alone or the fused score of both; the adaptive
ones know of the test and aim at all disturbed copies too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from common import keep, table
from lung import Bench, bench, share
from scipy import ndimage
from scipy.special import expit
from torch.nn.functional import conv3d, grid_sample

from cad.detect.cascade import suspects_from
from cad.detect.propose import candidates, lesion_map
from cad.detect.second import FINE, WIDE, second_logits, two_scales
from cad.explain.claim import claim
from cad.explain.stability import NOISE, SMOOTHING_VOXELS, probe
from cad.tasks.cascade_task import CascadeSettings
from cad.train.mining import lesion_at

CONFIDENT = 0.7
WINDOW_HU = 1400.0
STEPS = 10
PER_SCAN = 3
AT_ONCE = 4  # close-ups: one alone takes four times as long each
Score = Callable[[torch.Tensor], torch.Tensor]  # close-ups (n, 1, d, h, w) in [0, 1] to one number


@dataclass(frozen=True)
class Scenes:
    """Candidates: what the classifier (n, 1, d, h, w) and the second look (n, 2, d, h, w) see of them; proposal scores and fused logits."""

    patches: torch.Tensor
    looks: torch.Tensor
    proposed: tuple[float, ...]
    logits: tuple[float, ...]

    def parts(self) -> Iterator[Scenes]:
        """A few at a time."""
        for k in range(0, len(self.proposed), AT_ONCE):
            some = slice(k, k + AT_ONCE)
            yield Scenes(self.patches[some], self.looks[some], self.proposed[some], self.logits[some])


@dataclass(frozen=True)
class Cascade:
    """The two looks and how their logits are fused."""

    settings: CascadeSettings
    reducer: torch.nn.Module
    second: torch.nn.Module

    def fused(self, scenes: Scenes, disturbed: torch.Tensor) -> list[float]:
        """The fused logits of disturbed close-ups, as screening reckons them."""
        with torch.inference_mode():
            reduced = self.reducer(disturbed)[:, 0].tolist()
            again = second_logits(list(second_look(scenes, disturbed - scenes.patches).numpy()), self.second).tolist()
        return [self.settings.fusion.logit(*scores) for scores in zip(scenes.proposed, reduced, again, strict=True)]

    def confident(self, logit: float) -> bool:
        """Whether it would be shown as a confident finding."""
        return self.settings.calibration.apply(float(expit(logit))) >= CONFIDENT

    def noticed(self, logit: float, patch: torch.Tensor) -> bool:
        """Whether its claim would be taken away, in a scan that looks as usual."""
        probed = probe(patch.numpy(), self.reducer)
        return not claim(logit, probed, self.settings.verdicts, self.settings.stability, "familiar").calibrated

    def classifier(self, _scenes: Scenes) -> Score:
        """What an attack on the classifier alone climbs."""
        return lambda x: self.reducer(x)[:, 0].sum()

    def again(self, scenes: Scenes) -> Score:
        """What an attack on the second look alone climbs: the pictures themselves, without their reflections."""
        n = len(scenes.proposed)
        return lambda x: self.second(second_look(scenes, x[:n] - scenes.patches))[:, 0].sum()

    def both(self, scenes: Scenes) -> Score:
        """What an attack on both looks climbs: their weighted sum."""
        first, again, weights = self.classifier(scenes), self.again(scenes), self.settings.fusion.again
        if weights is None:
            raise SystemExit("the model looks but once")
        return lambda x: weights.reduce * first(x) * len(scenes.proposed) / len(x) + weights.second * again(x)


Attack = Callable[[Cascade, Scenes, float], torch.Tensor]


def main() -> None:
    """One row an attack and strength; the rows of untouched lesions tell the price of the test."""
    with_what = bench(__doc__ or "", 12)
    settings = CascadeSettings.from_dict(with_what.model.settings)
    if settings.stability.look is None:
        raise SystemExit("the model has no stability reference: it was trained before there was one")
    cascade = Cascade(settings, *(with_what.model.stage(name).requires_grad_(False) for name in ("reduce", "second")))
    kinds = zip(("look-alikes, untouched", "lesions, untouched"), candidates_of(with_what, settings), strict=True)
    known = {name: stacked(found) for name, found in kinds if found}
    rows = {name: judged(scenes, scenes.patches, cascade) for name, scenes in known.items()}
    normal = known["look-alikes, untouched"]
    for name, attack in ATTACKS.items():
        for hu in (10.0, 20.0, 30.0):
            hurt = torch.cat([attack(cascade, some, hu / WINDOW_HU) for some in normal.parts()])
            rows[f"{name}, {hu:g} HU"] = judged(normal, hurt, cascade)
            print(name, hu, rows[f"{name}, {hu:g} HU"], flush=True)
        keep("attack", {"weights": with_what.model.version.sha256, "scans": with_what.scans, "rows": rows})  # the later ones take minutes
    table("attacks", ("what", *next(iter(rows.values()))), [(name, *row.values()) for name, row in rows.items()])


def candidates_of(with_what: Bench, settings: CascadeSettings) -> tuple[list[Scenes], list[Scenes]]:
    """The best candidates of each scan by their score before any disturbance: look-alikes, and those on lesions."""
    found: tuple[list[Scenes], list[Scenes]] = ([], [])
    for case in with_what.cases("test"):
        everywhere = np.ones(case.seen.image.grid.shape[0], dtype=bool)
        heat = lesion_map(case.seen, everywhere, with_what.model.forward("propose"))
        suspects = suspects_from(case.source, candidates(heat, settings.thresholds.propose), case.seen, settings.sight, with_what.model)
        best = sorted(suspects, key=lambda suspect: -suspect.logit)
        for hit in (False, True):
            for suspect in [s for s in best if lesion_at(case, s.candidate.centre_mm) == hit][:PER_SCAN]:
                looks = two_scales(case.source, case.seen, suspect.candidate.centre_mm, settings.rule)
                patch, look = (torch.tensor(np.asarray(pixels, dtype=np.float32))[None] for pixels in (suspect.pixels, looks))
                found[hit].append(Scenes(patch, look, (suspect.candidate.score("propose") or 0.0,), (suspect.logit,)))
    return found


def stacked(found: list[Scenes]) -> Scenes:
    """All of them together."""
    patches, looks = (torch.cat(parts) for parts in zip(*((one.patches, one.looks) for one in found), strict=True))
    return Scenes(patches, looks, *(tuple(kind) for kind in zip(*((one.proposed[0], one.logits[0]) for one in found), strict=True)))


def judged(scenes: Scenes, disturbed: torch.Tensor, cascade: Cascade) -> dict[str, str]:
    """How many are confident, how many of those have their claim taken away, and how many were made so without that."""
    pictures = zip(scenes.parts(), torch.split(disturbed, AT_ONCE), strict=True)
    after = [logit for some, part in pictures for logit in cascade.fused(some, part)]
    confident = [k for k, logit in enumerate(after) if cascade.confident(logit)]
    unnoticed = [k for k in confident if not cascade.noticed(after[k], disturbed[k, 0])]
    turned = [k for k in unnoticed if not cascade.confident(scenes.logits[k])]
    n = len(after)
    return {
        "confident": share(len(confident), n),
        "noticed": share(len(confident) - len(unnoticed), len(confident)),
        "unnoticed": share(len(unnoticed), n),
        "turned, unnoticed": share(len(turned), n),
    }


def second_look(scenes: Scenes, disturbance: torch.Tensor) -> torch.Tensor:
    """What the second look sees when the close-ups are disturbed: the same at its two scales, nothing beyond them."""
    edge, (count, _, n, *_) = disturbance.shape[-1], scenes.looks.shape
    moved = []
    for share_of_spacing in (FINE, WIDE):
        axis = (torch.arange(n) - (n - 1) / 2) * share_of_spacing / (edge / 2)
        places = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")[::-1], dim=-1)
        moved.append(grid_sample(disturbance, places.expand(count, -1, -1, -1, -1), align_corners=False))
    return (scenes.looks + torch.cat(moved, dim=1)).clamp(0, 1)


def noise(_cascade: Cascade, scenes: Scenes, strength: float) -> torch.Tensor:
    """Gaussian noise of that standard deviation."""
    return scenes.patches + shaken(scenes.patches.shape, strength)


def shaken(shape: torch.Size, strength: float) -> torch.Tensor:
    """The same noise whenever it is asked for."""
    return torch.from_numpy(np.random.default_rng(0).normal(0, strength, tuple(shape)).astype(np.float32))


def aimed(goal: Callable[[Cascade, Scenes], Score], steps: int = STEPS, *, adaptive: bool = False) -> Attack:
    """One step along the gradient's sign (FGSM: Goodfellow et al., ICLR 2015), or ten projected ones (PGD: Madry et al., ICLR 2018).

    `adaptive`: against the picture and its smoothed and noisy copies, so that none of them falls.
    """

    def attack(cascade: Cascade, scenes: Scenes, strength: float) -> torch.Tensor:
        score = goal(cascade, scenes)
        return ascended(scenes.patches, strength, steps, of_all_copies(score) if adaptive else score)

    return attack


def of_all_copies(score: Score) -> Score:
    """The score of a picture and of what the test of steadiness makes of it."""
    kernels = [gaussian(sigma) for sigma in SMOOTHING_VOXELS]

    def climbed(x: torch.Tensor) -> torch.Tensor:
        smooth = [conv3d(x, kernel, padding=kernel.shape[-1] // 2) for kernel in kernels]
        return score(torch.cat([x, *smooth, x + shaken(x.shape, NOISE)]))

    return climbed


def ascended(start: torch.Tensor, strength: float, steps: int, score: Score) -> torch.Tensor:
    """Uphill by the gradient's sign, never further than `strength` from the start in any voxel."""
    x = start.clone()
    for _ in range(steps):
        x.requires_grad_()
        (slope,) = torch.autograd.grad(score(x), x)
        step = strength if steps == 1 else 2.5 * strength / steps
        x = (start + (x.detach() + step * slope.sign() - start).clamp(-strength, strength)).clamp(0, 1)
    return x.detach()


def gaussian(sigma: float) -> torch.Tensor:
    """A kernel (1, 1, 9, 9, 9)."""
    spike = np.zeros((9, 9, 9), dtype=np.float32)
    spike[4, 4, 4] = 1
    return torch.from_numpy(ndimage.gaussian_filter(spike, sigma))[None, None]


ATTACKS: dict[str, Attack] = {
    "noise": noise,
    "FGSM": aimed(Cascade.classifier, steps=1),
    "PGD": aimed(Cascade.classifier),
    "PGD, second look": aimed(Cascade.again),
    "PGD, both looks": aimed(Cascade.both),
    "PGD, adaptive": aimed(Cascade.classifier, adaptive=True),
    "PGD, both looks, adaptive": aimed(Cascade.both, adaptive=True),
}

if __name__ == "__main__":
    main()
