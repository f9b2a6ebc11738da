"""Answers many requests at a time from a base and its memories."""
