"""A case as DICOM objects: outlines, measurements, heat maps, key images and the report, filed under the source's study.

exhibits -> sources (headers again) -> outlines and maps -> what refers to them: structured report, key objects -> bytes
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cad.errors import Refusal
from cad.finding import Exhibit, Finding
from cad.report import CaseReport
from cad.volume import Volume
from cad.write import dicom_codes as coded
from cad.write.dicom_groups import Marked
from cad.write.dicom_kos import key_objects
from cad.write.dicom_made import Made, Maker
from cad.write.dicom_map import cut_map, parametric_map, picture
from cad.write.dicom_pdf import encapsulated_pdf
from cad.write.dicom_receiver import Receiver
from cad.write.dicom_seg import Segment, segmentation
from cad.write.dicom_source import Source, mask_on_frames, source_of
from cad.write.dicom_sr import structured_reports
from cad.write.key_images import image_name, paired


@dataclass(frozen=True, slots=True, eq=False)
class DicomFiles:
    """Bytes by file name, and what was wrong with the sources: why the results of a series are not among them, or what was made of it."""

    files: Mapping[str, bytes]
    warnings: tuple[Refusal, ...]
    first: Source | None
    maker: Maker

    def with_report(self, pdf: bytes) -> dict[str, bytes]:
        """The files, and the report's PDF as one more where there is a study to file it under."""
        wrapped = encapsulated_pdf("pdf.dcm", pdf, self.first, self.maker) if self.first else None
        return {**self.files, **({wrapped.name: wrapped.data} if wrapped else {})}


def dicom_files(report: CaseReport, exhibits: Sequence[Exhibit], images: Mapping[str, bytes], receiver: Receiver) -> DicomFiles:
    """Every object of one case but its report: none where no task looked at images that can be referred to.

    `images` are the case's pictures by name.
    """
    maker, sources = Maker(report.case, report.settings_sha256), _Sources()
    marked = list(_marked(report, exhibits, sources, maker))
    if not marked:
        return DicomFiles({}, sources.warnings(report.case), None, maker)
    outlines, marked = _outlined(marked, maker, receiver)
    marked = [replace(each, map=_map(each, images, maker, receiver)) for each in marked]
    keys = key_objects("kos.dcm", report.findings, sources.read(), outlines, maker)
    made = (*outlines, *(each.map for each in marked), *structured_reports(report, marked, maker), keys)
    return DicomFiles({one.name: one.data for one in made if one}, sources.warnings(report.case), marked[0].source, maker)


@dataclass(slots=True)
class _Sources:
    """The sources behind a case's volumes, each read once."""

    known: dict[int, tuple[Volume, Source | Refusal]] = field(default_factory=dict)  # the volume stays, so that its id does

    def of(self, volume: Volume) -> Source | None:
        """The source behind a volume, or None where there is none that can be referred to."""
        if id(volume) not in self.known:
            self.known[id(volume)] = volume, source_of(volume)
        found = self.known[id(volume)][1]
        return None if isinstance(found, Refusal) else found

    def read(self) -> tuple[Source, ...]:
        """Every source there is, one a series."""
        found = [source for _, source in self.known.values() if isinstance(source, Source)]
        return tuple({source.series_instance_uid: source for source in found}.values())

    def warnings(self, case: str) -> tuple[Refusal, ...]:
        """What was wrong with the sources, each once: why results of a series are in no DICOM object, or what was made of it."""
        sources = [source for _, source in self.known.values()]
        refused = [replace(each, detail=f"no DICOM objects for a series: {each.detail}") for each in sources if isinstance(each, Refusal)]
        notes = [note for source in sources if isinstance(source, Source) for note in source.notes]
        return tuple(dict.fromkeys(Refusal(case, f"dicom_{each.reason}", each.detail) for each in (*refused, *notes)))


def _marked(report: CaseReport, exhibits: Sequence[Exhibit], sources: _Sources, maker: Maker) -> Iterator[Marked]:
    """Findings best first, then what each task shows of the whole case."""
    pairs, models = paired(report.findings, exhibits), {model.name: model for model in report.models}
    for finding in sorted(report.findings, key=lambda f: f.rank):
        exhibit = pairs.get(finding.rank)
        source = sources.of(exhibit.image) if exhibit else None
        if exhibit and source:
            tracking = _tracking(maker, finding, finding.evidence.mask_sha256)
            yield Marked(finding.task, coded.meant(finding.kind), tracking, finding.model, source, exhibit, finding)
    for exhibit in (exhibit for exhibit in exhibits if exhibit.rank == 0):
        source, model = sources.of(exhibit.image), models.get(exhibit.task)
        if source and model:
            for name, part in _parts(exhibit):
                tracking = name, maker.uid("tracking", name, part.mask.digest() if part.mask else "")
                yield Marked(exhibit.task, coded.structure(name), tracking, model, source, part)


def _parts(exhibit: Exhibit) -> Iterator[tuple[str, Exhibit]]:
    """What is outlined, by name: each label of a label map, or the task's one structure."""
    yield from ((name, replace(exhibit, mask=mask, parts=())) for name, mask in exhibit.parts)
    if not exhibit.parts:
        yield exhibit.task, exhibit


def _tracking(maker: Maker, finding: Finding, mask_sha256: str) -> tuple[str, str]:
    return f"{finding.kind} {finding.rank}", maker.uid("tracking", str(finding.rank), mask_sha256)


def _outlined(marked: Sequence[Marked], maker: Maker, receiver: Receiver) -> tuple[list[Made], list[Marked]]:
    """One segmentation a source series, and everything marked with its place in it.

    A finding with the very outline of its task's structure (a wide aorta) refers to the structure's segment.
    """
    drawn = [replace(each, pixels=_pixels(each)) for each in marked]
    outlines: list[Made] = []
    for series in dict.fromkeys(each.source.series_instance_uid for each in drawn):
        here = [index for index, each in enumerate(drawn) if each.source.series_instance_uid == series and each.pixels is not None]
        owners = {index: _owner(index, here, drawn) for index in here}
        kept = list(dict.fromkeys(owners.values()))
        segments = [_segment(drawn[index], pixels) for index in kept if (pixels := drawn[index].pixels) is not None]
        if segments:
            name = "seg.dcm" if not outlines else f"seg-{len(outlines) + 1}.dcm"
            outlines.append(segmentation(name, segments, drawn[kept[0]].source, maker, receiver.segmentation))
            for index, owner in owners.items():
                drawn[index] = replace(drawn[index], segment=(outlines[-1], kept.index(owner) + 1))
    return outlines, drawn


def _owner(index: int, here: Sequence[int], drawn: Sequence[Marked]) -> int:
    mask = drawn[index].exhibit.mask
    return next((other for other in here if drawn[other].finding is None and drawn[other].exhibit.mask is mask), index)


def _pixels(marked: Marked) -> NDArray[np.bool_] | None:
    mask = marked.exhibit.mask
    pixels = None if mask is None else mask_on_frames(mask, marked.source)
    return pixels if pixels is not None and pixels.any() else None


def _segment(marked: Marked, pixels: NDArray[np.bool_]) -> Segment:
    label = f"Finding {marked.finding.rank}" if marked.finding else marked.meaning.type.meaning
    return Segment(label, marked.meaning, marked.tracking, marked.model, pixels)


def _map(marked: Marked, images: Mapping[str, bytes], maker: Maker, receiver: Receiver) -> Made | None:
    finding, heatmap = marked.finding, marked.exhibit.heatmap
    if finding is None or heatmap is None or receiver.heat_maps == "none":
        return None
    name = f"map-{finding.rank:02d}.dcm"
    if receiver.heat_maps == "secondary_capture":
        png = images.get(image_name(finding, "heat"))
        return picture(name, finding, png, marked.source, maker) if png else None
    map_of = cut_map if receiver.heat_maps == "parametric_map_cut" else parametric_map
    return map_of(name, finding, heatmap, marked.source, maker)
