"""Secretariat: cyber-security cooperation between parties that do not fully trust each other."""

__version__ = "0.1.0"
