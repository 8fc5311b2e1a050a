"""Pure functions that put a Volume on the grid and intensity scale a network expects."""
