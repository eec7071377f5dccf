"""What is sent, when and to whom."""
