"""A weight of the memory for every token, in place of one for all.

Two distributions become features (`router_features`), features and scores a fitted router
(`router_training`), and a router mixes base and memory as a `LanguageModel` (`alpha_router`) and
is compared with constant weights (`router_table`).

May import scoring, models and windows.
"""
