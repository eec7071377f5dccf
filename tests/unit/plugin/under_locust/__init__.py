"""Tests of what needs Locust in the same process; `test_under_locust` runs each in one of its own.

Locust patches `ssl`, which other tests of the same session have long imported.
"""
