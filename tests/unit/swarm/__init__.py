"""How lanes and users are dealt to workers."""
