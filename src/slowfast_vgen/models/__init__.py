"""Slow weights: codec, text encoder, denoisers, the assembled world model."""
