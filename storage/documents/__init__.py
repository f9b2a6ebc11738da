"""Documents from outside: files, buckets, installed packages, data sets of the hub.

`document_sources` resolves the entries of a configuration to sources (`document_files`,
`folder_walk`, `bucket_objects`, `package_modules`); `source_digests` says what a source is without
its name; `document_readers` turns any source into one stream of sound documents and rejects, by a
reader for each format; `duplicate_index` tells new documents from repeated ones.

May import `storage.objects`. Nothing here knows of artifacts.
"""
