"""What is in the files of an artifact: one module for every format, its writer beside its reader.

A writer takes arrays or rows and the shard's local folder; a reader takes the `ShardReader`s of a
finished artifact, checks what it opens, and maps or streams what may be larger than memory. Formats
are Parquet (corpus, targets, choices, `row_tables`, `position_columns`), Zarr (embeddings), NumPy
(tokens, keys), FAISS (`index_files`) and safetensors (`array_files`: routers, checkpoints); nothing
is ever unpickled.

May import `storage.objects`, `storage.documents` and `storage.store`.
"""
