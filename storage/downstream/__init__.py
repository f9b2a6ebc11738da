"""The files of the nine downstream data sets, in the forms in which they are published.

`labelled_records` reads the rows of a file (`record_rows`) as records with the labels of
`downstream_labels`; `verbalizer_file` reads the words that stand for the labels.

May import `storage.objects` and `storage.documents`, whose errors and line reader it shares.
"""
