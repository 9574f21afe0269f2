"""Research notes: an officer's text on chosen statements, with footnotes that are real sources."""
