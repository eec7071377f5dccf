"""What runs: one file for each scenario, one Locust user class and one journey in each."""
