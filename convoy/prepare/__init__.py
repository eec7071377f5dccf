"""Before a run: what has to be true so that load may start."""
