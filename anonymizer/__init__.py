"""Dataset in, de-identified Dataset and Receipt out. Knows nothing of CAD."""
