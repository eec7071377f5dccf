"""Literal requests and answers that client and simulator are both held to."""
