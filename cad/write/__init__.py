"""A CaseReport as JSON, HTML and key images."""
