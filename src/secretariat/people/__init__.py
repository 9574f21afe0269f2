"""Persons, roles, sessions, tokens, and the log of who read what: it implements the guard that `web` defines."""
