"""The plain Locust users that Convoy is compared with, each a locustfile of its own."""
