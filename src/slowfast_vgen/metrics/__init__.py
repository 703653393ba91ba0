"""Metrics of frames and videos: arrays in, numbers out."""
