"""OpenAI's HTTP interface to a base and its memories; the engine behind it is memdec_core's.

A request goes one way: `request_guard` and `request_bodies` (what is let in), `generation_plan`
(sequences for the engine), `generation_stream` (events of its thread as text, with `choice_text`),
`answers` (one body or server-sent events, in `answer_formats`). `http_app` joins them,
`run_server` runs it. `open_models` loads what an `engine_slot` holds, and `production_follower`
replaces it when another release goes into production.

May import every room of tasks but `watch`. Storage is only read.
"""
