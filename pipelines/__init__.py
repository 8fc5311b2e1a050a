"""Composition and the outside world: commands, engines, registry, review, exchange."""
