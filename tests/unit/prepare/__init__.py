"""What is refused before any load starts."""
