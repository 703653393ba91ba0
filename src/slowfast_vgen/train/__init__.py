"""Training of the slow weights."""
