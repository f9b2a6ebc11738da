"""The pages of comparisons: all systems of one corpus, and those of several corpora.

The rows of a comparison come in; Markdown and the files of its pictures go out, section by section
(downstream tasks, latency, audit, router), with the paper's own numbers beside ours.

It imports the pages above it; the stages that compare and join import it.
"""
