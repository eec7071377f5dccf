"""Healthy runs, one after the other: how often is a run called invalid with nothing wrong?"""
