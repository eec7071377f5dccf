"""Where in a text secrets stand."""
