"""Intake: a document becomes proposals, each with source, offsets, quote and a reason per field."""
