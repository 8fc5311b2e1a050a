"""The cascade that discards benign slices and keeps ranked candidates."""
