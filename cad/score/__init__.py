"""Statistics on marks, masks and confidences, with intervals."""
