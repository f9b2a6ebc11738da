"""What flows do beside calling tasks: hand on jobs, decide on promotion, conclude a look.

`stage_runner` runs the wanted jobs of a plan and keeps what became of them; `promotion` judges a
finished build; `watch_conclusion` compares what was seen with what was built.

It imports `flows.planning`, `flows.server` and tasks; the flows at the root import it.
"""
