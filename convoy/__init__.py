"""Convoy: exact, honest load for Genesys Cloud messaging, as a library."""
