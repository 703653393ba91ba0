"""One page from results files alone: does the memory help, how much, at which gap, and against what."""
