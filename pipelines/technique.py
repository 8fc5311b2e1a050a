"""How the series that were looked through were acquired, for the report's first section."""

from __future__ import annotations

from collections.abc import Sequence

from cad.read.mr_sequence import mr_sequence
from cad.report import Technique
from cad.study import Series
from pipelines.choosing import Look


def techniques(looks: Sequence[Look]) -> tuple[Technique, ...]:
    """One entry a series that a task has looked through, in the order of its first task; a refused look is none."""
    done = [look for look in looks if look.result is not None]
    series = {one.series_instance_uid: one for look in done for one in look.all_series}
    return tuple(
        _technique(one, tuple(look.task.name for look in done if any(one is other for other in look.all_series))) for one in series.values()
    )


def _technique(series: Series, tasks: tuple[str, ...]) -> Technique:
    acquired, magnetic = series.acquisition, series.modality == "MR"
    return Technique(
        series_instance_uid=series.series_instance_uid,
        tasks=tasks,
        modality=series.modality,
        plane=series.plane,
        slices=series.slices,
        spacing_mm=series.slice_spacing_mm,
        thickness_mm=series.slice_thickness_mm,
        pixel_mm=max(series.pixel_spacing_mm) if series.pixel_spacing_mm else None,
        kernel=series.kernel,
        contrast=acquired.contrast_given,
        sequence=mr_sequence(series).name if magnetic else "",
        repetition_time_ms=acquired.repetition_time_ms,
        echo_time_ms=acquired.echo_times_ms[0] if acquired.echo_times_ms else None,
    )
