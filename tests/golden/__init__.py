"""What must stay equal to the byte: messages of given plans, keys of a summary, exit codes."""
