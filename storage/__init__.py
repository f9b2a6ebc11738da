"""Bytes: the artifact store and one module per file format."""
