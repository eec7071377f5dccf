"""Doing it: handing due messages to actors and following the phases of a run."""
