"""Public and own data sets: read in their own layout, kept with every reader's marks, split by patient, checked for leaks."""
