"""Worlds: engines that make action-labelled episodes."""
