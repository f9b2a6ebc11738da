"""Pictures of results, as PNG bytes: numbers in, nothing read and nothing written.

May import text and training, for the shapes of what is drawn.
"""
