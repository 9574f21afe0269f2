"""The record that the package ships: a sample in our own words (its header says how it was made)."""

from __future__ import annotations

from importlib import resources

NAME = "sample-record.yaml"


def sample() -> bytes:
    """Give the sample record as a file's bytes."""
    return resources.files("secretariat.register").joinpath("data", NAME).read_bytes()
