"""Clean Pixel Data (PS3.15 E.3.1): text burned into pixels is found, blanked in the stored values, and looked for again."""

from anonymizer.pixels.account import Picture, PictureSink, PixelAccount
from anonymizer.pixels.clean import clean_pixels
from anonymizer.pixels.engine import TextEngineMissingError, engine_version
from anonymizer.pixels.find import TextBox, text_boxes
from anonymizer.pixels.where import DeviceRule, How, Rule, rule_for

__all__ = [
    "DeviceRule",
    "How",
    "Picture",
    "PictureSink",
    "PixelAccount",
    "Rule",
    "TextBox",
    "TextEngineMissingError",
    "clean_pixels",
    "engine_version",
    "rule_for",
    "text_boxes",
]
