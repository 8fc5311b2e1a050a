"""One file through both ways, and that they agree."""

from __future__ import annotations

import tempfile
from pathlib import Path

from deid_factory import KEY

from anonymizer import bytewalk, reading
from anonymizer.clean import Clean
from anonymizer.deidentify import SCREENING_PROFILE
from anonymizer.files import Refused, _cleaned_by_pydicom
from anonymizer.gate import Verdict
from anonymizer.profile import Profile


def both(path: Path, profile: Profile = SCREENING_PROFILE) -> tuple[Clean | None, Clean | Refused | Verdict]:
    """What the fast way and the slow way make of a file; fails when both have a result and it is not the same."""
    source = reading.opened(path)
    if isinstance(source, Verdict):
        return None, source
    with source:
        fast, dataset = bytewalk.cleaned(source, KEY, profile), source.parsed()
    slow = dataset if isinstance(dataset, Verdict) else _cleaned_by_pydicom(dataset, KEY, profile, None)
    if fast is not None:
        assert isinstance(slow, Clean), slow
        assert b"".join(fast.pieces) == b"".join(slow.pieces)
        assert fast.receipt == slow.receipt
        assert (fast.study, fast.series, fast.place) == (slow.study, slow.series, slow.place)
    return fast, slow


def both_of(content: bytes, profile: Profile = SCREENING_PROFILE) -> tuple[Clean | None, Clean | Refused | Verdict]:
    """The same of bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        return both(path, profile)
