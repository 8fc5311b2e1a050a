"""Makes `factory` (DICOM series) and `phantoms` (analytic shapes) importable by every test below."""
