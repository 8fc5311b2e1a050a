"""The one entry: `clean_pixels` looks for burned-in text where it occurs, blanks it and looks again.

Fail closed: what cannot be decoded, is larger than can be examined, or still shows text after two rounds is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset

from anonymizer import elements
from anonymizer.echo import Echo
from anonymizer.errors import InputRefusedError
from anonymizer.gate import Reason
from anonymizer.pixels.account import Picture, PictureSink, PixelAccount
from anonymizer.pixels.blank import box_fills, outside_regions, region_fill
from anonymizer.pixels.engine import Image, Stored, engine_version
from anonymizer.pixels.examine import Examiner, Findings
from anonymizer.pixels.find import TextBox
from anonymizer.pixels.frames import Frames
from anonymizer.pixels.legible import is_mark
from anonymizer.pixels.render import renderings
from anonymizer.pixels.where import DeviceRule, How, Rule, device_boxes, rule_for

_MARGIN = 0.08
_WIDER_MARGIN = 0.6
_END_MARGIN = 0.5
_CONTEXT = 8


def clean_pixels(
    clean: FileDataset, source: Dataset, echo: Echo, *, devices: tuple[DeviceRule, ...] = (), pictures: PictureSink | None = None
) -> PixelAccount:
    """Clean the pixels of a de-identified data set in place; `source` is the data set it was made from, for the rules.

    Native pixels keep every bit outside the blanked boxes; compressed ones keep their bytes when nothing is blanked, else
    they are stored decoded (Explicit VR Little Endian). Afterwards Burned In Annotation is NO. `pictures`, when given, is
    called with each blanked place before and after: identified, for the vault only. The data set is changed at the end or
    not at all. Raises InputRefusedError (`text_not_removed`, `unparseable`, `too_large`, `truncated`) and
    TextEngineMissingError; no message repeats a text. Source: PS3.15 section E.3.1.
    """
    rule, places = rule_for(source), device_boxes(source, devices)
    if rule.how is How.NONE and not places:
        syntax, frames = _syntax(clean), elements.text_at(clean, 0x00280008)
        clean.BurnedInAnnotation = "NO"
        return PixelAccount(rule.how, rule.name, int(frames) if frames.isdecimal() else 1, syntax_before=syntax, syntax_after=syntax)
    account = _Work(clean, source, echo, rule, pictures).done(tuple(TextBox(*place, "", 1.0) for place in places))
    clean.BurnedInAnnotation = "NO"
    return account


class _Work:
    """One image being cleaned."""

    def __init__(self, clean: FileDataset, source: Dataset, echo: Echo, rule: Rule, pictures: PictureSink | None) -> None:
        self._engine = engine_version()
        self._clean = clean
        self._source = source
        self._pictures = pictures
        self._frames = Frames(clean)
        self._rule = rule
        self._echo = echo
        self._examiner = Examiner(self._frames, clean, self._stays)
        self._blanked: dict[int, int] = {}
        self._outside: NDArray[np.bool_] | None = None

    def done(self, places: tuple[TextBox, ...]) -> PixelAccount:
        syntax, all_frames = _syntax(self._clean), range(self._frames.layout.frames)
        how = How.REGIONS if self._blank_outside() else How.OCR
        shape = (self._frames.layout.rows, self._frames.layout.columns)
        self._blank(Findings(tuple(box for place in places if (box := place.grown(0, shape)).width), {}, 0), 0.0)
        first = self._examiner.examine(all_frames)
        self._blank(first, _MARGIN)
        passes = self._residual(first)
        changed = self._frames.finish()
        return PixelAccount(
            how,
            self._rule.name,
            frames=len(all_frames),
            frames_examined=len(all_frames),
            boxes=tuple(sorted(self._blanked.items())),
            pixels_changed=changed,
            marks_kept=first.marks,
            residual_passes=passes,
            syntax_before=syntax,
            syntax_after=_syntax(self._clean),
            engine=self._engine,
        )

    def _stays(self, box: TextBox) -> bool:
        return self._rule.marks and is_mark(box.text, box.score, self._echo)

    def _residual(self, first: Findings) -> int:
        """Look again at what was blanked; blank what is left with a wider margin; refuse when that leaves any. The passes made."""
        if not first.any():
            return 0
        left = self._examiner.examine(self._frames.filled)
        if not left.any():
            return 1
        self._blank(left, _WIDER_MARGIN)
        if self._examiner.examine(self._frames.filled).any():
            raise InputRefusedError(Reason.TEXT_NOT_REMOVED, "text is still found in the pixels after two rounds of blanking")
        return 2

    def _blank_outside(self) -> bool:
        """Blacken all but the stated regions of an ultrasound image, in every frame; whether there were any."""
        self._outside = outside_regions(self._source, self._frames.layout) if self._rule.how is How.REGIONS else None
        if self._outside is None:
            return False
        for frame in range(self._frames.layout.frames):
            stored = self._frames.read(frame)
            self._fill_outside(frame, stored)
            if frame == 0:
                whole = TextBox(0, 0, self._frames.layout.columns, self._frames.layout.rows, "", 1.0)
                self._show(frame, stored, (whole,))
        return True

    def _fill_outside(self, frame: int, stored: Stored) -> None:
        if self._outside is not None:
            self._frames.fill(frame, region_fill(stored, self._outside, self._frames.photometric, self._frames.layout))

    def _blank(self, findings: Findings, share: float) -> None:
        """Blank the boxes, with a margin unless the share is 0."""
        for frame in range(self._frames.layout.frames):
            boxes = findings.of(frame)
            if not boxes:
                continue
            stored = self._frames.read(frame)
            wider = [_with_margin(box, share, stored.shape) if share else box for box in boxes]
            for fill in box_fills(stored, wider, self._frames.photometric):
                self._frames.fill(frame, fill)
            self._fill_outside(frame, stored)  # a box at a region's edge reaches over it
            self._blanked[frame] = self._blanked.get(frame, 0) + len(wider)
            self._show(frame, stored, wider if frame == 0 else wider[len(findings.everywhere) :])

    def _show(self, frame: int, before: Stored, boxes: Iterable[TextBox]) -> None:
        if self._pictures is None:
            return
        shown = [self._picture(stored) for stored in (before, self._frames.read(frame))]
        for box in boxes:
            place = box.grown(_CONTEXT, before.shape)
            crops = [_png(picture[place.top : place.bottom, place.left : place.right]) for picture in shown]
            self._pictures(Picture(frame, (box.left, box.top, box.width, box.height), crops[0], crops[1]))

    def _picture(self, stored: Stored) -> Image:
        return next(renderings(self._frames.values_of(stored), self._frames.photometric, self._clean))


def _with_margin(box: TextBox, share: float, shape: tuple[int, ...]) -> TextBox:
    """A margin of that share of the line's height, and more at its ends, where the detector may lose a letter."""
    thickness = box.thickness
    return box.grown(max(2, round(share * thickness)), shape).lengthened(round(_END_MARGIN * thickness), shape)


def _syntax(clean: FileDataset) -> str:
    return str(clean.file_meta.TransferSyntaxUID)


def _png(picture: Image) -> bytes:
    from PIL import Image as Pillow

    kept = BytesIO()
    Pillow.fromarray(picture).save(kept, "PNG")
    return kept.getvalue()
