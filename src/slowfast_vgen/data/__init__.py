"""Recorded episodes: format, windows, cached latents."""
