"""What a store is made of: objects under keys, in a folder or a bucket, written all or nothing.

`root_urls` opens a place as an `object_root`, which writes through `local_files` or obstore and
translates what goes wrong into `store_errors`. `store_layout` alone knows which key means what;
`manifest` and `artifact_ref` are the records there, `fingerprint` the names of artifacts.
Whoever reads source files of users opens them through `compressed_files`.

The ground floor of storage: imports none of its other rooms.
"""
