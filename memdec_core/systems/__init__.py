"""Baselines that a memory is compared with, each a `LanguageModel`.

kNN-LM searches the base's own datastore at every position (`knn_lm`); in-context retrieval puts a
passage found by BM25 (`passage_retrieval`) before the text (`retrieval_lm`).

May import targets, scoring, search, models and windows.
"""
