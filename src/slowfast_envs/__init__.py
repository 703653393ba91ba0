"""Environments: engines that record action-labelled episodes, a folder each. See `base` for what they share."""
