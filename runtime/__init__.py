"""Putting it together: settings, construction, serving. Alone in reading the environment."""
