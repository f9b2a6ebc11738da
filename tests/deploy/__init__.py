"""A package, unlike other folders of tests: its fixture `services` ends with the last of them."""
