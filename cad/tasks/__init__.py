"""What the product can look for: one module a task, found by entry points."""
