"""Convoy inside Locust: the only package that imports it."""
