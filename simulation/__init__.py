"""A call in a box: virtual time, scripted providers and a virtual line. For tests and benchmarks.

Everything here obeys the same borders as the real thing and nothing in the product imports it.
"""
