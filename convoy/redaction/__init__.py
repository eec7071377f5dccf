"""Where in a text secrets stand: known ones as others write them, and what has their shape."""
