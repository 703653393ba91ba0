"""Planning: imagine with memory, act in the real engine (paper 3.4 and 4.2)."""
