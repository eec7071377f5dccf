"""The remote messaging API on localhost, for trying load tests; shares no code with Convoy."""

VERSION = "0.1.0"
