"""Worlds on ViZDoom: maps that are drawn here, seen from exact poses."""
