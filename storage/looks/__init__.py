"""What looks at a watched corpus saw, so that the next look can tell what changed.

A look stores a table of the documents (`document_table`) and a record that names it, both through
`corpus_looks`; `document_changes` compares two tables.

May import the rooms below it, `storage.formats` among them: a corpus artifact counts as a look.
"""
