"""The handlers, one file a resource: each parses, asks and answers."""
