"""What came of it: outcomes, counts, histograms, summary, verdict and record; all pure."""
