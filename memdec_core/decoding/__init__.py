"""Systems that write: what they would write, what they repeat, and how long it takes.

Decoders choose token after token for base, memory, neighbours and retrieval alike (`decoders`,
`system_decoders`), and are timed (`latency`). Without writing, one forward pass says how probable a
continuation is and whether greedy decoding would take it (`continuation_scoring`, `memorisation`).

May import systems, scoring, search, models and windows.
"""
