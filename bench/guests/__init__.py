"""Guests of web messaging: how many one process holds, what they cost, and beside other clients."""
