"""Persons, roles, sessions, tokens, the log of who read what; implements the guard that `web` defines."""
