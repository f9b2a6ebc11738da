"""One look at a pipeline's documents: whether they changed, how, and who is to know.

`watched_listing` lists the sources and waits until they are quiet; `read_watched` reads those
that are new, in a worker; `compare_documents` compares them with the last look or run, and
`corpus_drift` says how new text differs from what was trained on. `changes_page` shows it;
`announcement` decides whether `announce_update` tells Prefect.

`flows.watch_corpus` calls these in this order. May import every room of tasks but `serving`.
"""
