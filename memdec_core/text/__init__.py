"""Documents and their tokens, before any model.

A corpus is described (`text_config`), its documents are put into splits by hash
(`document_split`), and become token ids (`tokenization`) with a tokenizer that is loaded or
trained here. Whether two tokenizers mean the same by an id, and how to spell one's tokens in
another, decides which models can be mixed (`tokenizer_match`, `tokenizer_compatibility`,
`token_spelling`); how far new text drifts from old is measured in tokens (`token_drift`).

Imports nothing but what stands at the root.
"""
