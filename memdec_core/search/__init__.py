"""The datastore: keys of every position, and the nearest of them to a query.

Windows become rows of keys and following tokens (`embedding`), keys an index (`neighbour_index`),
and queries exact distances and ids (`neighbours`): over all keys (`tile_search`,
`rounded_vectors`), over the lists of an index (`inverted_search`), or whichever suits
(`neighbour_search`). What a position must not find is struck out on the way (`excluded_rows`).

May import models and windows.
"""
