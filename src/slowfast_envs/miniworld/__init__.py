"""Furnished houses on Miniworld, seen in first or third person."""
