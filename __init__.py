"""The repository root, seen as the package `aywa` (see aywa/__init__.py)."""
