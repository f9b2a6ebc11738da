"""How the server answers: where, how much at once, and for how long."""

from pydantic import BaseModel, Field, SecretStr

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class ServerSettings(BaseModel, frozen=True, extra="forbid"):
    """Settings of one server. None of them changes what a model answers."""

    host: str = Field("127.0.0.1", description="Address to listen on; loopback unless changed.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    api_key: SecretStr | None = Field(
        None, description="What clients send as `Authorization: Bearer …`; anyone may ask if unset."
    )
    max_batch: int = Field(32, ge=1, description="Sequences that are decoded together.")
    max_queue: int = Field(256, ge=1, description="Sequences that wait; further ones get 429.")
    max_choices: int = Field(
        128, ge=1, description="Sequences of one request: its prompts times `n`."
    )
    max_tokens_limit: int = Field(4096, ge=1, description="Most new tokens of one sequence.")
    max_body_bytes: int = Field(4 * 2**20, ge=1, description="Largest request body (bytes).")
    request_timeout: float = Field(
        300.0, gt=0, description="Time for one request, waiting included, until 504 (seconds)."
    )
    grace: float = Field(
        30.0, ge=0, description="Time for running requests after SIGTERM or Ctrl-C (seconds)."
    )

    @property
    def is_exposed(self) -> bool:
        """Whether other machines can ask, and none has to say a key."""
        return self.host not in LOOPBACK and self.api_key is None
