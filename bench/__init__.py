"""Benches: what Convoy reaches, measured side by side with others and against arithmetic."""
