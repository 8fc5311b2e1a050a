"""Clean Pixel Data (PS3.15 E.3.1): text burned into pixels is found, blanked in the stored values, and looked for again."""

from anonymizer.pixels.engine import TextEngineMissingError, engine_version
from anonymizer.pixels.find import TextBox, text_boxes

__all__ = ["TextBox", "TextEngineMissingError", "engine_version", "text_boxes"]
