"""How a stream of tokens is cut into what a model reads at once.

Offsets of documents become windows, which training shuffles by epoch (`windows`); windows become
batches, padded and in order of length, and their scores find the way back (`window_batches`). All
that reads or scores text goes through here, so that every system sees the same tokens in the same
context.

Imports no other room.
"""
