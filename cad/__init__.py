"""Images in, findings out. No command line, network, database or global state lives here."""
