"""May a prior be compared, and where does it lie: the person first, by the bones after a rigid step, then the rest of the way."""

from __future__ import annotations

from dataclasses import dataclass

from cad.errors import GridError
from cad.prepare.register import Registration, refined, register
from cad.prepare.same_patient import Sameness, same_patient
from cad.volume import Volume

COMPARED, MIX_UP, NOT_CONFIRMED, NOT_REGISTERED = "compared", "possible_patient_mix_up", "prior_not_confirmed", "prior_not_registered"
FOLDED_MOST = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """How two scans belong together. `registration` is None unless `status` is "compared"; `detail` says why in one sentence."""

    status: str
    detail: str
    sameness: Sameness | None = None
    registration: Registration | None = None


def link(prior: Volume, current: Volume) -> Link:
    """Confirm that both are of one person, then register. A stranger's scan is never deformed onto the patient's."""
    try:
        rigid = register(prior, current, deformable=False)
    except GridError as error:
        return Link(NOT_REGISTERED, f"the prior could not be laid on the current scan: {error.problem}")
    same = same_patient(prior, current, rigid)
    if not same.confirmed:
        if same.score is None:
            return Link(NOT_CONFIRMED, f"not compared: whether the prior is of the same person cannot be told, {same.reason}", same)
        return Link(MIX_UP, f"not compared: the prior may be of another person; {same.reason}", same)
    found = refined(prior, current, rigid)
    if found.folded > FOLDED_MOST:
        return Link(NOT_REGISTERED, f"not compared: the map between the scans folds in {found.folded:.1%} of space", same)
    return Link(COMPARED, same.reason, same, found)
