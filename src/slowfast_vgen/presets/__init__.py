"""Whole runs as Python."""
