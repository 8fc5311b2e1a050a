"""Extent, density, shape and vessel diameters in physical units."""
