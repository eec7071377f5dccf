"""Talking to the API: sockets, TLS, HTTP, sessions, limits; never Locust."""
