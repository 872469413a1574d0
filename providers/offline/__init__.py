"""The embedded voice: speech recognition, speech synthesis and a scripted model without a network.

Good for a first call, for menus, for demonstrations and for tests. The recogniser understands the
phrases of its script, digits, yes and no, in US English; it is no dictation.
"""
