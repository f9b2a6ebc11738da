"""One Prefect task per stage: read through storage, compute with memdec_core, write."""
