"""The routes' handlers: they turn a call into the model's words and its word into an answer."""
