"""The method: windows, embedding, search, targets, losses, training, mixture, metrics.

Arrays in, arrays out. Nothing here knows the orchestrator or a file format.
"""
