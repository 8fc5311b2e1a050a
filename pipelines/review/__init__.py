"""The page on which a reader answers."""
