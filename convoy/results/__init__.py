"""What came of it: outcomes, counts, histograms, summary, verdict; pure but for the record."""
