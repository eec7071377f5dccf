"""What commands say, without a process."""
