"""Agreements: instruments as dated data, MAY or NOT by article, release, grants."""
