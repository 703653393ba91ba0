"""Fast weights: the memory of an episode."""
