"""What is sent, when and to whom: pure functions of seed, scenario and message number."""
