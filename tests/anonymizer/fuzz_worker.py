"""What `test_fuzz.py` starts: damages files and de-identifies them under a memory limit, and says what went wrong.

    python fuzz_worker.py FOLDER SEED COUNT      damage the files of FOLDER/corpus, COUNT times
    python fuzz_worker.py FOLDER one NAME        de-identify FOLDER/NAME as it is

Each file has ten seconds; then the alarm ends the process, and FOLDER/at says which one it was.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import sys
import zlib
from collections import Counter
from pathlib import Path

from deid_factory import KEY
from fuzz_mutations import mutated
from pydicom import dcmread, uid

from anonymizer.files import DEIDENTIFIED, FileOutcome, deidentify_file
from anonymizer.gate import Reason
from anonymizer.profile import profile_named

SECONDS = 10
MEMORY = 1536 << 20
PROFILES = tuple(map(profile_named, ("screening", "basic", "basic+clean_descriptors+retain_safe_private+clean_graphics")))
REASONS = {str(reason) for reason in Reason}


def main(folder: Path, first: str, second: str) -> None:
    """Do the work and print one line of JSON."""
    limit_memory()
    result = one_file(folder, second) if first == "one" else many(folder, int(first), int(second))
    sys.stdout.write(json.dumps(result))


def limit_memory() -> None:
    """What the interpreter and its modules take already, and 1.5 GiB more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def peak_kib() -> int:
    """The most memory of this program; the usual figure would begin with that of the process it was forked from."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def one_file(folder: Path, name: str) -> dict[str, object]:
    signal.setitimer(signal.ITIMER_REAL, 60)
    outcome = deidentify_file(folder / name, folder / "out", KEY)
    return {"status": outcome.status, "reason": outcome.reason, "peak_kib": peak_kib()}


def many(folder: Path, seed: int, count: int) -> dict[str, object]:
    corpus = [(path.read_bytes(), needles_of(path)) for path in sorted((folder / "corpus").iterdir())]
    tally: Counter[str] = Counter()
    faults: list[dict[str, object]] = []
    for number in range(count):
        chance = random.Random(f"{seed}.{number}")
        content, needles = chance.choice(corpus)
        way, damaged = mutated(content, chance)
        (folder / "at").write_text(f"{seed} {number} {way}")
        fault, said = tried(folder, damaged, needles, chance.choice(PROFILES))
        tally[said] += 1
        tally[f"way:{way}"] += 1
        if fault:
            faults.append({"number": number, "way": way, "fault": fault})
            (folder / f"fault-{seed}-{number}.dcm").write_bytes(damaged)
    return {"tally": tally, "faults": faults, "peak_kib": peak_kib()}


def needles_of(path: Path) -> tuple[bytes, ...]:
    """Who the patient is, as the undamaged file says it."""
    image = dcmread(path, stop_before_pixels=True)
    texts = [str(image.get(word, "")) for word in IDENTIFYING]
    return tuple(text.encode() for text in texts if len(text) >= 6)


IDENTIFYING = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "AccessionNumber",
    "InstitutionName",
    "ReferringPhysicianName",
    "StudyInstanceUID",
    "SeriesInstanceUID",
)


def tried(folder: Path, damaged: bytes, needles: tuple[bytes, ...], profile: object) -> tuple[str, str]:
    """(what is wrong, what became of the file)."""
    source, out = folder / "damaged", folder / "out"
    source.write_bytes(damaged)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        outcome = deidentify_file(source, out, KEY, profile)  # type: ignore[arg-type]
    except BaseException as error:  # noqa: BLE001 - whatever comes out is the finding
        return f"raised {type(error).__name__}: {error}"[:300], "raised"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    written = [path for path in out.rglob("*") if path.is_file()] if out.exists() else []
    fault = fault_of(outcome, written, out, needles)
    for path in written:
        path.unlink()
    return fault, outcome.reason or outcome.status


def fault_of(outcome: FileOutcome, written: list[Path], out: Path, needles: tuple[bytes, ...]) -> str:
    if outcome.status != DEIDENTIFIED:
        return "" if outcome.reason in REASONS and not written else f"refused as {outcome.reason!r}, {len(written)} file(s) written"
    if written != [out / outcome.output]:
        return "the file that it says it wrote is not the one that is there"
    content = plain(written[0].read_bytes())
    leaked = [needle.decode(errors="replace") for needle in needles if needle in content]
    return f"leaked {leaked}" if leaked else unreadable(written[0])


def plain(content: bytes) -> bytes:
    start = 144 + int.from_bytes(content[140:144], "little")
    deflated = uid.DeflatedExplicitVRLittleEndian.encode() in content[:start]
    return content + zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[start:]) if deflated else content


def unreadable(path: Path) -> str:
    try:
        image = dcmread(path)
        return "" if image.get("PatientIdentityRemoved") == "YES" else "not stamped"
    except Exception as error:  # noqa: BLE001 - an output that pydicom cannot read is the finding
        return f"the output cannot be read: {type(error).__name__}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
