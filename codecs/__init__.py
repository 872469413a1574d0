"""Bytes to PCM and back: G.711, resampling, tones, WAV files.

Pure functions over arrays; a batch of frames is the unit. Knows nothing of packets or calls.
"""
