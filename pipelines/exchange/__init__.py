"""Where exports come from and results go to."""
