"""Convoy inside Locust: the only package, with the command line, that imports it."""
