"""The simulator as a process, tried over real sockets."""
