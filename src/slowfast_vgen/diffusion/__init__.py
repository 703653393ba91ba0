"""Masked conditional diffusion over chunks (eq. 1-2) and its sampler."""
