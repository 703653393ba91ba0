"""What makes every figure of the tables again: variants, paths, scores, experiments, planning tasks, the report."""
