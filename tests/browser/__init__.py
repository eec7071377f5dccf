"""Tests of the web UI as a browser shows it."""
