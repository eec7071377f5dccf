"""Doing it: handing due messages to users and following the phases of a run."""
