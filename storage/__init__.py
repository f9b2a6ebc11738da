"""Bytes: where artifacts lie, in which formats, and the documents that they are made from.

Rooms, bottom up: `objects` (files and objects, errors, names), `documents` and `downstream` (what
is read from outside), `store` (artifacts and the records on them), `formats` (what is in an
artifact's files), `looks` (what a watched corpus looked like) and `models` (the hub's folders).
`garbage` stands above all of them, since it must know everything that keeps an artifact alive.

Knows no model and no orchestrator: no PyTorch, no transformers, no Prefect, nothing else of ours.
"""
