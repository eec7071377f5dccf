"""Forms in which a summary is shown; each takes the summary and nothing else."""
