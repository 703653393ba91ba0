"""From motions to a pose, and from a pose to the address under which a memory keeps what is seen from there."""
