"""What the simulated organisation holds and decides; nothing in here knows HTTP."""
