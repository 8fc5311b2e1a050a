"""Imbalance-aware training: data sets, sampling, losses and the loop."""
