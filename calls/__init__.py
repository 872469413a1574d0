"""Calls: legs, the life of a call, control, the timeline."""
