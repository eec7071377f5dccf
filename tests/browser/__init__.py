"""Tests of the web UI and the report as a browser shows them."""
