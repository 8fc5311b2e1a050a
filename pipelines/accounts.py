"""The account of a study's files: each was looked at, or there is a reason why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cad.errors import Refusal
from cad.study import Series
from pipelines.choosing import Choosing, Look


def fates(
    files: Mapping[Path, str], series: Sequence[Series], unread: Sequence[Refusal], choosing: Choosing, looks: Sequence[Look]
) -> tuple[dict[str, Refusal], dict[str, str]]:
    """By handle: the reason of every file no task looked at, and the series of every file that has one."""
    series_of = {ref.path: one.series_instance_uid for one in series for ref in one.instances}
    looked = {ref.path for look in looks if look.result for volume in (look.volume, *look.volume.beside) for ref in volume.sources}
    said = {refusal.path: refusal for refusal in (*choosing.refusals, *unread)}
    unused = {
        handle: replace(_reason(path, series_of.get(path, ""), said, choosing, looks), path=handle)
        for path, handle in files.items()
        if path not in looked
    }
    return unused, {files[path]: uid for path, uid in series_of.items() if path in files}


def summarised(refusals: Iterable[Refusal], files: Mapping[Path, str]) -> tuple[Refusal, ...]:
    """Refusals fit for a report: handles in place of paths, equal ones of many files as one line that counts them."""
    handles = {str(path): handle for path, handle in files.items()}
    groups: dict[tuple[str, str], list[str]] = {}
    for refusal in refusals:
        groups.setdefault((refusal.reason, refusal.detail), []).append(handles.get(refusal.path, refusal.path))
    return tuple(Refusal(_subject(subjects), reason, detail) for (reason, detail), subjects in groups.items())


def _subject(subjects: Sequence[str]) -> str:
    first = Path(sorted(subjects)[0]).name
    return first if len(subjects) == 1 else f"{first} and {len(subjects) - 1} more"


def _reason(path: Path, series: str, said: Mapping[str, Refusal], choosing: Choosing, looks: Sequence[Look]) -> Refusal:
    known = said.get(str(path)) or (said.get(series) if series else None)
    if known:
        return known
    of_series = [look for look in looks if series in {one.series_instance_uid for one in look.all_series}]
    refused = next((look.refusal for look in of_series if look.refusal), None)
    if refused:
        return refused
    if of_series:
        return Refusal("", "not_in_volume", "its series was screened; this file is not part of the volume")
    reasons = dict.fromkeys(choice.reason for choice in choosing.choices if choice.series_instance_uid == series)
    return Refusal("", "no_task_for_series", "; ".join(reasons) or "no installed task looks at this series")
