"""What is done after the load: each message looked for at the far side, conversations closed."""
