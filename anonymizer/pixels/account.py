"""What was done to an image's pixels: `PixelAccount`, never a recognised text; and the operator's pictures of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from anonymizer.pixels.where import How


@dataclass(frozen=True, slots=True)
class PixelAccount:
    """The account of one image.

    `how` and `rule` say which row of the rules applied. `boxes` holds (frame from 0, number of boxes blanked) for each
    frame that was changed; `pixels_changed` counts pixels whose stored value is another than before, over all frames;
    `marks_kept` counts reader's marks left in place. `residual_passes` is how often the result was looked at again.
    """

    how: How
    rule: str
    frames: int
    frames_examined: int = 0
    boxes: tuple[tuple[int, int], ...] = ()
    pixels_changed: int = 0
    marks_kept: int = 0
    residual_passes: int = 0
    syntax_before: str = ""
    syntax_after: str = ""
    engine: str = ""

    def to_json(self) -> dict[str, object]:
        """Plain data for a receipt."""
        return {
            "how": self.how.value,
            "rule": self.rule,
            "frames": self.frames,
            "frames_examined": self.frames_examined,
            "boxes": [{"frame": frame, "blanked": count} for frame, count in self.boxes],
            "pixels_changed": self.pixels_changed,
            "marks_kept": self.marks_kept,
            "residual_passes": self.residual_passes,
            "transfer_syntax": {"before": self.syntax_before, "after": self.syntax_after},
            "engine": self.engine,
        }


@dataclass(frozen=True, slots=True)
class Picture:
    """A blanked place before and after, as PNG: it shows identified text, so it goes to the vault and nowhere else."""

    frame: int
    box: tuple[int, int, int, int]
    before: bytes = field(repr=False)
    after: bytes = field(repr=False)


PictureSink = Callable[[Picture], None]
