"""Neighbours become what a memory is trained on.

Distances of neighbours and the tokens that follow them become p_kNN, truncated and rounded
(`knn_distribution`); a sample of it is held against exact search (`target_quality`). The same sum
taken apart for one position says where a prediction comes from (`explanation`).

May import search and training, whose `SparseTargets` it makes.
"""
