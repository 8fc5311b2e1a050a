"""Phantoms with known truth: anatomy, lesions and a scanner that writes a PACS export."""
