"""Gymnasium's CarRacing, seen from above."""
