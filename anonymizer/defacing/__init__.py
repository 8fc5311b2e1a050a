"""Faces out of head CT and MR: Clean Recognizable Visual Features (PS3.15 E.3.2, code 113102), one whole series at a time."""
