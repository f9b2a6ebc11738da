"""The order of things: the pipeline's configuration, its plan, its flow, the command."""
