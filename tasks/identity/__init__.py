"""What decides an artifact, as literals: read from documents, models and tokenizers before a plan.

A corpus is the digests of its sources, a base model its commit or the digest of its folder, a
downstream data set the digest of its file; `tokenizer_sharing` says what planned models share.
Planning puts these into the fingerprints of jobs; a path, a host or a device never gets there.

May import `tasks.jobs` and what is below tasks. Importing a module here loads no PyTorch.
"""
