"""Networks and components that outline a structure."""
