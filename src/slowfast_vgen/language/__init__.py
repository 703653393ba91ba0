"""Understanding of action texts: one table of words, and rules that interpret texts by it."""
