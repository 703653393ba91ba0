"""Meta-World's robot at a table: tasks in short clips, and blocks that are moved and put back."""
