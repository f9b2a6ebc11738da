"""Log-probabilities of every position become numbers that one may compare.

Any `LanguageModel` and windows become scores (`perplexity`), the scores of two systems the best
mixture of them (`alpha_search`, for neighbours `knn_scores`), and scores by document an interval
(`bootstrap`) in a row of a table (`result_row`, `system_comparison`). How close a memory is to its
targets and they to the text: `fidelity`, `reliability`. Whether a build may replace another:
`promotion_gate`.

May import search, training, models and windows.
"""
