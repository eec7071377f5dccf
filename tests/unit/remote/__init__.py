"""Tests of `convoy/remote`, most of them against real sockets."""
