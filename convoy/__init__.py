"""Convoy: exact, honest load for Genesys Cloud messaging, as a library."""

VERSION = "0.1.0"
