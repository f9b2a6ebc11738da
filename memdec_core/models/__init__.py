"""Decoders: loaded, asked for probabilities or keys, mixed with a memory.

A folder becomes a model (`model_loading`), and a model a `LanguageModel` (`language_model`), which
is the one thing that is scored; base and memory together are one, too (`mixture`). Up to the last
feed-forward layer alone, a model gives keys (`key_model`). Both stop or probe a forward pass by
hooks (`forward_hooks`). A student gets the base's vocabulary here (`vocabulary_transfer`).

May import text and windows.
"""
