"""Any system as a model of EleutherAI's lm-evaluation-harness, which the extra `lm-eval` installs.

In Python, for any `LanguageModel`:

    simple_evaluate(MemdecLM(MixtureLM(base, memory, 0.6), tokenizer), tasks=["lambada_openai"])

On the command line, where this module registers the model `memdec`, for pipelines that have run:

    python -m tasks.lm_eval_model run --model memdec --tasks lambada_openai
        --model_args pipeline=quickstart,store=store,system=memory
"""

from collections.abc import Mapping
from typing import Any, Self

from lm_eval.__main__ import cli_evaluate
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import register_model
from lm_eval.models.utils import normalize_gen_kwargs
from lm_eval.utils import (
    get_rolling_token_windows,
    make_disjoint_window,
    simple_parse_args_string,
)
from pydantic import ValidationError
from transformers import PreTrainedTokenizerFast

from memdec_core.decoding.continuation_scoring import (
    Continuation,
    context_length_of,
    continuation_log_probs,
    continuation_scores,
)
from memdec_core.decoding.greedy_text import greedy_text
from memdec_core.errors import UserError
from memdec_core.models.language_model import LanguageModel
from tasks.use.stored_system import StoredSystem, open_system

BATCH_TOKENS = 4096
UNBOUNDED_WINDOW = 1024
"""Tokens of a rolling window where the model sets no limit."""

EncodedPair = tuple[tuple[str, str], list[int], list[int]]


@register_model("memdec")
class MemdecLM(TemplateLM):  # type: ignore[misc] # lm_eval is not typed
    """A `LanguageModel` with its tokenizer, as the harness wants it.

    As with the harness's own models, context and continuation are tokenised together and split
    where the context's tokens end, and spaces at the context's end go to the continuation. Unlike
    there, nothing is put in front of a text that is not empty: no memory has seen such a token.
    Context and continuation together are at most as long as the model reads, so that a context
    that must be cut is one token shorter than there.

    Args:
        lm: The system; `generate_until` needs a base or a mixture.
        tokenizer: Its tokenizer, with an end-of-text token, which stands for an empty context.
        batch_tokens: Most tokens of a batch, padding included.
    """

    def __init__(
        self,
        lm: LanguageModel,
        tokenizer: PreTrainedTokenizerFast,
        *,
        batch_tokens: int = BATCH_TOKENS,
    ) -> None:
        super().__init__()
        if tokenizer.eos_token_id is None:
            raise UserError(
                "the tokenizer has no end-of-text token to stand for an empty context: name it as "
                "`eos_token` in the model's tokenizer_config.json"
            )
        self.lm = lm
        self.tokenizer = tokenizer
        self.batch_tokens = batch_tokens

    @classmethod
    def create_from_arg_string(
        cls, arg_string: str, additional_config: Mapping[str, Any] | None = None
    ) -> Self:
        """As `create_from_arg_obj`, with options like `pipeline=quickstart,system=base`."""
        return cls.create_from_arg_obj(simple_parse_args_string(arg_string), additional_config)

    @classmethod
    def create_from_arg_obj(
        cls, arg_dict: Mapping[str, Any], additional_config: Mapping[str, Any] | None = None
    ) -> Self:
        """Open a pipeline's system.

        Args:
            arg_dict: Fields of `StoredSystem`.
            additional_config: The harness's own options. Of these `device` counts where it is
                `cpu`: its command line says `cuda:0` unasked. Batches are bounded by tokens.

        Raises:
            UserError: An option is wrong, or the pipeline has no finished run.
        """
        device = "cpu" if (additional_config or {}).get("device") == "cpu" else "auto"
        try:
            wanted = StoredSystem.model_validate({"device": device, **arg_dict})
        except ValidationError as error:
            first = error.errors()[0]
            raise UserError(
                f"model_args.{'.'.join(map(str, first['loc']))}: {first['msg']}; "
                f"the options are {', '.join(StoredSystem.model_fields)}"
            ) from error
        return cls(*open_system(wanted))

    @property
    def eot_token_id(self) -> int:
        """The id that stands for an empty context."""
        return int(self.tokenizer.eos_token_id)

    def tok_encode(self, string: str, **_options: object) -> list[int]:
        """Token ids of a text, with nothing around them."""
        return list(self.tokenizer(string, add_special_tokens=False)["input_ids"])

    def _loglikelihood_tokens(
        self, requests: list[EncodedPair], **_options: object
    ) -> list[tuple[float, bool]]:
        """Log-likelihood in nats, and whether greedy decoding gives it, of encoded pairs."""
        for (context, continuation), _, tokens in requests:
            if not tokens:
                raise UserError(
                    f"the continuation {continuation!r} has no token of its own after "
                    f"{context[-40:]!r}: begin it with a space, or leave the task out"
                )
        prefix = [self.eot_token_id]
        pairs = [Continuation(context or prefix, tokens) for _, context, tokens in requests]
        scores = continuation_scores(self.lm, pairs, batch_tokens=self.batch_tokens)
        return [(score.log_prob, score.is_greedy) for score in scores]

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Log-likelihood in nats of whole texts, in the harness's windows.

        Every token is predicted once: with one token of context at the start of a window, but with
        all that fits in the last one.
        """
        windows = [self._rolling_windows(request.args[0]) for request in requests]
        pairs = [pair for text in windows for pair in text]
        scores = iter(continuation_log_probs(self.lm, pairs, batch_tokens=self.batch_tokens))
        return [sum(float(next(scores)) for _ in text) for text in windows]

    def _rolling_windows(self, text: str) -> list[Continuation]:
        length = context_length_of(self.lm) or UNBOUNDED_WINDOW
        windows = get_rolling_token_windows(
            token_list=self.tok_encode(text),
            prefix_token=self.eot_token_id,
            max_seq_len=length - 1,  # the window's last token, which is only predicted, counts too
            context_len=1,
        )
        return [Continuation(*make_disjoint_window(window)) for window in windows]

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Greedy continuations, each up to the first of its stop strings.

        Raises:
            UserError: The system cannot generate, sampling is asked for, or the new tokens alone
                fill the context.
        """
        return [self._continue(*request.args) for request in requests]

    def _continue(self, context: str, options: dict[str, Any]) -> str:
        wanted = normalize_gen_kwargs(options)
        if wanted["do_sample"]:
            raise UserError(
                "generation_kwargs.do_sample: only greedy text is generated; set it to false and "
                "leave out the temperature"
            )
        return greedy_text(
            self.lm,
            self.tokenizer,
            self.tok_encode(context) or [self.eot_token_id],
            max_new_tokens=wanted["max_gen_toks"],
            until=[stop for stop in wanted["until"] if stop],
        )


if __name__ == "__main__":
    cli_evaluate()
