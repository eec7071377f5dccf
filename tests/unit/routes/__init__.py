"""Tests of `convoy/routes`."""
