"""The command line `python -m convoy`."""
