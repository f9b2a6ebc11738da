"""The engine behind the HTTP server: many requests, decoded together, token by token.

A `request` is checked, its prompt read (`prefill`) into a cache of blocks, and it joins the rows
that all take a step together (`decoding`, `row_batch`); each row mixes its parts by its own weights
(`row_mixture`) and chooses a token (`token_choice`), which leaves the `engine` as an event. Tokens
alone: text, HTTP and names of models are the caller's.

May import models. The exported model of one base and its memories is in `joint`.
"""
