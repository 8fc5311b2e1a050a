"""Model versions: the index people browse and the digests that are enforced."""
