"""Tests with a choice of answers: nine public data sets, and what each system picks.

Records of a data set become prompts and the strings that may follow (`downstream`,
`downstream_prompts`, `choice_strings`), these the log-probability of every string's tokens, under
a model (`choice_scoring`) or a datastore (`knn_choices`), and these accuracies, with the weights
tuned on one half of the records and reported on the other (`downstream_table`).

May import targets, scoring, search, models, text and windows.
"""
