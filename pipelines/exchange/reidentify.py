"""The authorised way back: a result and a vault in, who it speaks of out. Logged before anything is revealed.

Identified values are returned to the caller and written where asked; none is logged or put into an error.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path

from anonymizer import reading
from anonymizer.errors import InputRefusedError
from anonymizer.gate import Verdict
from anonymizer.vault import UnmappedError, Vault, restored
from anonymizer.writing import encoded
from cad.errors import Refusal, ShokenError
from pipelines.exchange.leading_back import LeadingBack, own_uids
from pipelines.exchange.parcels import Parcel, parcels
from pipelines.exchange.revealed import write_page, write_private, write_table
from pipelines.exchange.subjects import Result, Subject, read_result
from pipelines.exchange.use_log import Use, record_use
from pipelines.outfolder import check_apart, require_new
from pipelines.ports import Clock

TABLE, FILES, MANIFEST = "reidentified.csv", "files", "manifest.jsonl"
Say = Callable[[str], None]


class ReidentifyError(ShokenError):
    """A request that is refused before anything is revealed."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who one subject is. `shift_days` is how far the patient's dates were moved; several spellings are joined by " | ".

    Empty: not in the header, or not known; `fault` is the reason when the subject does not lead back. Hidden from repr.
    """

    case: str
    patient: str
    study: str
    patient_id: str = field(default="", repr=False)
    patient_name: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    sex: str = field(default="", repr=False)
    accession_number: str = field(default="", repr=False)
    study_instance_uid: str = field(default="", repr=False)
    shift_days: str = field(default="", repr=False)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Places:
    """Where identified things are written: restored copies and table, pictures. None: not asked for."""

    out: Path | None = None
    pictures: Path | None = None


@dataclass(frozen=True, slots=True)
class Reidentified:
    """What was revealed: one identity a subject, how many files were restored, how many pictures written, what did not lead back."""

    identities: tuple[Identity, ...]
    restored: int
    pictures: int
    refusals: tuple[Refusal, ...]
    log_digest: str


def reidentify(place: Path | None, result: Result, vault: Vault, reason: str, places: Places, clock: Clock, say: Say) -> Reidentified:
    """Lead a result back and write what was asked for. `place` is where the result was read from (None: stdin).

    Order: the whole vault is verified, the folders are checked, the use is logged, and only then is anything given out.
    Raises ReidentifyError, OutError, VaultError or UseLogError with nothing revealed.
    """
    say("verifying the vault")
    identities = _identities(result, vault, reason)
    for folder in filter(None, (places.out, places.pictures)):
        _prepare(folder, place)
    say("writing the log")
    digest = record_use(vault, _use(reason, result, _asked(result, places)), clock)
    _require_known(identities, vault)
    done, refusals = _restore(place, result, vault, places.out, say) if places.out else (0, ())
    shown = _pictures(result, vault, places.pictures) if places.pictures else 0
    unknown = tuple(Refusal(identity.case, identity.fault, "the vault does not know it") for identity in identities if identity.fault)
    told = (*unknown, *result.refusals, *refusals)
    if places.out:
        write_table(places.out / TABLE, identities)
        lines = (json.dumps(asdict(refusal), sort_keys=True) + "\n" for refusal in told)
        write_private(places.out / MANIFEST, "".join(lines).encode())
    return Reidentified(identities, done, shown, told, digest)


def way_back(out: Path, vault: Vault, reason: str, asked: str, clock: Clock) -> LeadingBack:
    """The way back for every DICOM object of an OUT of `shoken screen`, in the same order: verified, checked, logged, then given.

    Raises ReidentifyError, ResultError, VaultError or UseLogError with nothing led back.
    """
    result = read_result(out)
    identities = _identities(result, vault, reason)
    own = frozenset(uid for found in parcels(out) if isinstance(found, Parcel) for uid in own_uids(found))
    record_use(vault, _use(reason, result, asked), clock)
    _require_known(identities, vault)
    return LeadingBack(vault, own)


def _identities(result: Result, vault: Vault, reason: str) -> tuple[Identity, ...]:
    vault.verify()
    identities = tuple(identity_of(subject, vault) for subject in result.subjects)
    _check_reason(reason, identities)
    return identities


def _require_known(identities: Sequence[Identity], vault: Vault) -> None:
    if all(identity.fault for identity in identities):
        problem = f"knows none of the {len(identities)} pseudonyms"
        raise ReidentifyError(problem, subject=vault.path.name, accepted="the vault that was written when they were made")


def identity_of(subject: Subject, vault: Vault) -> Identity:
    """Who a subject is. It has a fault when any of its pseudonyms is unknown to the vault; then nothing of it is given."""
    asked = (("shift_days", subject.patient), ("study", subject.study), ("accession", subject.accession))
    found = {kind: vault.original(kind, pseudonym) for kind, pseudonym in asked if pseudonym}
    if not found or None in found.values():
        return Identity(subject.case, subject.patient, subject.study, fault="unknown_pseudonym")
    about = subject.study or subject.patient
    return Identity(
        subject.case,
        subject.patient,
        subject.study,
        _said(vault, "patient_id", subject.study) or _said(vault, "patient", subject.patient),
        _said(vault, "patient_name", about),
        _said(vault, "birth_date", about),
        _said(vault, "sex", about),
        found.get("accession") or _said(vault, "accession_number", subject.study),
        found.get("study") or "",
        found.get("shift_days") or "",
    )


def _said(vault: Vault, kind: str, about: str) -> str:
    return " | ".join(vault.originals(kind, about)) if about else ""


def _check_reason(reason: str, identities: Iterable[Identity]) -> None:
    """The log must not name a patient, so the reason may not."""
    if not reason.strip() or not reason.isprintable() or len(reason) > 500:
        raise ReidentifyError("no reason that can be logged", subject="--reason", accepted="one line of 1 to 500 characters")
    if any(_names(identity, reason.casefold()) for identity in identities):
        raise ReidentifyError("names a patient, and the log may not", subject="--reason", accepted="why, without names or numbers")


def _names(identity: Identity, reason: str) -> bool:
    """Whether a text holds a number of the patient, or the first two parts of one spelling of the name, apart or run together."""
    words = re.findall(r"\w+", reason)
    compact = "".join(words)
    for number in filter(None, (identity.patient_id.casefold(), identity.accession_number.casefold())):
        if re.search(rf"(?<!\w){re.escape(number)}(?!\w)", reason) or (len(number) > 5 and number in compact):
            return True
    spellings = (re.findall(r"\w+", name.casefold()) for name in re.split(r"[=|]", identity.patient_name))
    return any(len(parts) > 1 and (set(parts[:2]) <= set(words) or "".join(parts[:2]) in compact) for parts in spellings)


def _prepare(folder: Path, place: Path | None) -> None:
    if place is not None:
        check_apart(place, folder)
    require_new(folder)
    folder.chmod(0o700)


def _asked(result: Result, places: Places) -> str:
    return "identities" + " files" * bool(places.out and result.files) + " pictures" * bool(places.pictures)


def _use(reason: str, result: Result, asked: str) -> Use:
    texts = sorted("\t".join(astuple(subject)) for subject in result.subjects)
    return Use(reason.strip(), asked, len(texts), hashlib.sha256("\n".join(texts).encode("utf-8", "surrogatepass")).hexdigest())


def _restore(place: Path | None, result: Result, vault: Vault, out: Path, say: Say) -> tuple[int, tuple[Refusal, ...]]:
    """Write the original's copy of every DICOM file at its own relative place; a file that does not lead back whole is refused."""
    done = 0
    refusals: list[Refusal] = []
    for path in result.files:
        say(f"{done + len(refusals) + 1} of {len(result.files)} files")
        name = path.relative_to(place).as_posix() if place is not None and place.is_dir() else path.name
        refusal = _restored_file(path, out / FILES / name.removeprefix(f"{FILES}/"), name, vault)
        refusals += [refusal] if refusal else []
        done += refusal is None
    return done, tuple(refusals)


def _restored_file(path: Path, target: Path, name: str, vault: Vault) -> Refusal | None:
    dataset = reading.read(path)
    if isinstance(dataset, Verdict):
        return Refusal(name, str(dataset.reason), dataset.detail)
    try:
        with reading.quietly():
            content = encoded(restored(dataset, vault))
    except UnmappedError as error:
        return Refusal(name, error.unmapped[0].reason, error.problem)
    except InputRefusedError as error:
        return Refusal(name, error.reason, error.detail)
    except reading.PARSE_ERRORS as error:
        return Refusal(name, "unparseable", f"cannot be restored ({type(error).__name__})")
    write_private(target, content)
    return None


def _pictures(result: Result, vault: Vault, folder: Path) -> int:
    """Every picture that the vault keeps of the result's files, by the handle in the file's name, and a page of them."""
    kept = {path.stem: vault.pictures(path.stem) for path in result.files}
    return write_page(folder, {handle: pictures for handle, pictures in sorted(kept.items()) if pictures})
