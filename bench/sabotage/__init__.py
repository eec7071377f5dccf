"""Sabotages: runs that were spoiled on purpose, each with what its verdict must or must not be."""
