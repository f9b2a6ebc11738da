"""The one trainer, for memories, base models and adapted baselines alike.

Windows and, for a memory, `sparse_targets` become batches (`training_batches`), batches a loss
(`losses` on hidden states and head, `batch_loss` on a model), losses a step of the optimiser, and
the `trainer` walks the epochs. All that a killed training needs to go on to the same bits is a
`training_state`.

May import models, text and windows.
"""
