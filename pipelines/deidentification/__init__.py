"""The batch: an export in, a de-identified copy with an account of every file out. `run.deidentify_export` is the way in."""
