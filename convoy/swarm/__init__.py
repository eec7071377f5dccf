"""One run over processes: its protocol, its leases, the master and the workers; no Locust in it."""
