"""DICOM and NIfTI files to Study and Volume, with every refusal accounted for."""
