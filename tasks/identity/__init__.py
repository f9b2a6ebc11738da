"""What decides an artifact's fingerprint where a configuration names paths: content, not places.

A configuration comes in; out goes what is hashed of the corpus, the base model or the files of
downstream tasks, and what the tokenizers of several models share. The plan calls it before
anything is built, and stages again, to find that nothing changed meanwhile.

It imports `tasks.jobs`, and libraries of models only inside the functions that compare tokenizers.
"""
