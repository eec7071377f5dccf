"""Tests of `convoy/plugin`; those of `under_locust` run in a process of their own."""
