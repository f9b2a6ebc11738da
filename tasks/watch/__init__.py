"""Looks at a corpus that grows: what changed, whether it drifts, whom to tell.

The documents of a watched pipeline and its newest finished run come in; a look, a page and, where
an update is due, an event go out. Heavy work is done in worker processes, as that of stages.

It imports the rooms below; only flows import it.
"""
