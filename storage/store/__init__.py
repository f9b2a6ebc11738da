"""Artifacts: written by attempts, committed shard by shard, sealed once, read by name.

`artifact_store` is the way in; a builder holds a lease (`claims`, `leases`, `holdings`), writes
`shard_files` through a `stored_folder` and keeps what it needs to go on in `scratch`. Around
artifacts stand records that say why one is kept: `run_history`, `production`, `pins`, together in
`references`; `collection_history` says what went. The rest looks at what is there:
`artifact_inspection`, `verification`; `published_folder` writes outside of the store.

May import `storage.objects`, not the formats: to the store a file is its bytes.
"""
