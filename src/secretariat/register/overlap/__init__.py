"""Overlap: what is done twice, told before it costs; the officer decides, nothing is merged."""
