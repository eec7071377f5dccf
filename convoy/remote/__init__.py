"""Talking to the API: sockets, sessions, limits, routes and the remote's codes; never Locust."""
