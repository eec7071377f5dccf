"""Before, around and after a run: what has to be true so that load may start."""
