"""What each operation of the API takes and what its answers mean; all pure."""
