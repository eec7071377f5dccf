"""What is done after the load."""
