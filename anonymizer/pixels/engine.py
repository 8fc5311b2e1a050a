"""The text engine: detection and reading by rapidocr's own models, on this machine only.

The models lie in the wheel and are named by path, so nothing is looked up or fetched; its logger is silenced, since a
line of text in an image is often a patient's name; one thread, since the caller already runs one worker a core.
"""

from __future__ import annotations

import importlib.util
import logging
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import AnonymizerError

_DETECTOR = "PP-OCRv6_det_small.onnx"
_READER = "PP-OCRv6_rec_small.onnx"
_SETTINGS: dict[str, Any] = {
    "Global.log_level": "critical",
    "Global.use_cls": False,
    "Global.use_preprocess_img": False,
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    "Det.limit_type": "max",  # never resized: the caller picks the scale
    "Det.limit_side_len": 1 << 15,
    "Det.thresh": 0.2,
    "Det.box_thresh": 0.3,
    "Det.unclip_ratio": 1.6,
}

Image = NDArray[np.uint8]
Quad = NDArray[np.float32]
Stored = NDArray[Any]  # stored pixel values of any integer type


class TextEngineMissingError(AnonymizerError):
    """Burned-in text was to be looked for, and the optional engine is not installed."""


class TextEngine:
    """One detector and one reader. Images are uint8 (rows, columns, 3); corners are (x, y) pixels, clockwise from top left."""

    def __init__(self) -> None:
        self._rapid = _rapid_ocr()

    def detect(self, image: Image) -> list[tuple[Quad, float]]:
        """Where a line of text seems to be, each with the detector's score between 0 and 1."""
        found = self._rapid._load_det_model()(np.ascontiguousarray(image))
        if found.boxes is None:
            return []
        return [(np.asarray(quad, dtype=np.float32), float(score)) for quad, score in zip(found.boxes, found.scores, strict=True)]

    def read(self, crops: list[Image]) -> list[tuple[str, float]]:
        """The text of each crop (one upright line each) and the reader's score between 0 and 1."""
        if not crops:
            return []
        from rapidocr.ch_ppocr_rec import TextRecInput

        found = self._rapid._load_rec_model()(TextRecInput(img=crops, return_word_box=False))
        return [(str(text), float(score)) for text, score in zip(found.txts, found.scores, strict=True)]


def engine_version() -> str:
    """`rapidocr 3.10.0, onnxruntime 1.31.1`: for the account; raises TextEngineMissingError when not installed."""
    try:
        return ", ".join(f"{name} {metadata.version(name)}" for name in ("rapidocr", "onnxruntime"))
    except metadata.PackageNotFoundError as error:
        raise _missing() from error


@lru_cache(maxsize=1)
def text_engine() -> TextEngine:
    """The engine of this process, loaded at first use. Raises TextEngineMissingError when it is not installed."""
    return TextEngine()


def _rapid_ocr() -> Any:
    if any(importlib.util.find_spec(name) is None for name in ("rapidocr", "onnxruntime")):
        raise _missing()
    silent = logging.getLogger("RapidOCR")
    silent.disabled = True
    try:
        import rapidocr
    except ImportError as error:
        raise _missing() from error
    models = Path(rapidocr.__file__).parent / "models"
    if not all((models / name).is_file() for name in (_DETECTOR, _READER)):
        raise _missing()
    paths = {"Det.model_path": str(models / _DETECTOR), "Rec.model_path": str(models / _READER)}
    engine = rapidocr.RapidOCR(params={**_SETTINGS, **paths})
    silent.disabled = True
    silent.handlers.clear()
    return engine


def _missing() -> TextEngineMissingError:
    return TextEngineMissingError(
        "the text engine is not installed, so burned-in text cannot be looked for",
        subject="clean pixel data",
        accepted="pip install 'shoken[pixels]'",
    )
