"""What people mean by the actions that they write: one table of words, and rules that read texts by it."""
