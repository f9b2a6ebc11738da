"""The inference server: OpenAI's interface to what a pipeline has made."""
