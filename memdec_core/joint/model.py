"""A base and its memories as one causal language model of transformers.

After `import memdec_core.joint.model`, `AutoModelForCausalLM` loads what `save_pretrained` wrote.
Shapes: B sequences, T tokens, M memories, V shared vocabulary.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.cache_utils import Cache
from transformers.modeling_outputs import CausalLMOutputWithPast

from memdec_core.errors import UserError
from memdec_core.joint.config import MODEL_TYPE, JointConfig
from memdec_core.joint.generation import JointGenerationMixin
from memdec_core.joint.joint_parts import JointCache, PartMasks, masks_of_part, run_parts
from memdec_core.joint.weights import (
    Alpha,
    Routed,
    fuse_logits,
    fuse_routed,
    router_of,
    weights_of,
)
from memdec_core.router.alpha_router import AlphaRouter


class JointForCausalLM(PreTrainedModel, JointGenerationMixin):
    """p = (1 - Σ α_i) p_base + Σ α_i p_memory_i, with everything `generate()` offers.

    Every part keeps its own weights, its own cache and its own attention; nothing of the base is
    changed. Logits are those of the mixture over the shared vocabulary, on the base's scale.
    """

    config_class = JointConfig
    main_input_name = "input_ids"
    supports_gradient_checkpointing = False
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True

    def __init__(
        self,
        config: JointConfig,
        base: PreTrainedModel | None = None,
        memories: Sequence[PreTrainedModel] = (),
    ) -> None:
        super().__init__(config)
        if base is None:
            new: Any = AutoModelForCausalLM.from_config
            base, *memories = (new(part, trust_remote_code=False) for part in config.parts())
        self.base = base
        # children of their own: transformers looks for tied weights in children, not in lists
        for number, memory in enumerate(memories):
            setattr(self, f"memory_{number}", memory)
        config.use_configs_of(self.parts)
        arguments = [inspect.signature(part.forward).parameters for part in self.parts]
        self._takes_kept = ["logits_to_keep" in taken for taken in arguments]
        self.post_init()

    @classmethod
    def from_models(
        cls,
        base: PreTrainedModel,
        memories: Mapping[str, PreTrainedModel],
        weights: Mapping[str, float],
        vocab_size: int,
        router: AlphaRouter | None = None,
    ) -> "JointForCausalLM":
        """Put models together; they are used as they are, not copied.

        Args:
            base: The frozen base.
            memories: Memory Decoders by name.
            weights: Weight α of every memory.
            vocab_size: Tokens that all of them share (`tokenizer_compatibility`).
            router: Chooses the weight of the only memory at every token, in calls with
                `alpha="router"`.

        Raises:
            UserError: The weights do not fit, a part predicts fewer tokens, or there is a router
                for several memories.
        """
        if router is not None and len(memories) != 1:
            raise UserError(f"a router is for one memory, and there are {len(memories)}")
        for name, part in {"the base": base, **memories}.items():
            if (logits := part.config.get_text_config().vocab_size) < vocab_size:
                raise UserError(f"{name} predicts {logits} tokens, fewer than {vocab_size}")
        config = JointConfig(
            base=base.config,
            **{f"memory_{i}": memory.config for i, memory in enumerate(memories.values())},
            memories=list(memories),
            weights=[weights[name] for name in memories],
            vocab_size=vocab_size,
            router=router and {name: array.tolist() for name, array in router.arrays().items()},
            dtype=base.dtype,
        )
        joint = cls(config, base, list(memories.values()))
        joint.generation_config = base.generation_config
        joint.eval()
        return joint

    @property
    def memories(self) -> list[Any]:
        """The memories, in the order of their names in the configuration."""
        return [getattr(self, f"memory_{number}") for number in range(len(self.config.memories))]

    @property
    def parts(self) -> list[Any]:
        """The base, then every memory."""
        return [self.base, *self.memories]

    def get_input_embeddings(self) -> nn.Module:
        """The base's; every memory has its own."""
        embeddings: nn.Module = self.base.get_input_embeddings()
        return embeddings

    def get_output_embeddings(self) -> None:
        """None: the logits of a mixture are no linear function of anything."""

    def resize_token_embeddings(self, *_args: object, **_options: object) -> NoReturn:
        """Refused: a base is never resized, and padding is cut off its logits.

        Raises:
            UserError: Always.
        """
        raise UserError("a joint model has the vocabulary that its parts share: it is not resized")

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | PartMasks | None = None,
        position_ids: Tensor | None = None,
        past_key_values: JointCache | None = None,
        alpha: Alpha | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """One pass of all parts.

        Args:
            input_ids: Token ids, int64 (B, T).
            attention_mask: (B, past + T), 0 where a token is padding; or what
                `create_masks_for_generate` made.
            position_ids: (B, T) or (1, T).
            past_key_values: What an earlier pass returned.
            alpha: Weights of the memories for this call (`weights_of`).
            use_cache: Whether to return keys and values.
            logits_to_keep: How many last positions to predict after, 0 for all; or their indices.
            **kwargs: Further options of transformers, for every part.

        Returns:
            `logits`, float32 (B, kept, V), `past_key_values`, and the base's `hidden_states` and
            `attentions` where they are asked for.

        Raises:
            UserError: The weights do not fit, the cache is not a joint model's, or there are
                `token_type_ids`, which GPT-2 would add to what it reads.
        """
        if kwargs.pop("token_type_ids", None) is not None:
            raise UserError(
                "token_type_ids mean nothing to a language model: call the tokenizer with "
                "return_token_type_ids=False"
            )
        weights = weights_of(self.config, alpha)
        caches = self._caches(past_key_values)
        inputs = [
            {
                "input_ids": input_ids,
                "attention_mask": masks_of_part(attention_mask, number),
                "position_ids": position_ids,
                "past_key_values": caches[number],
                "use_cache": use_cache,
                **({"logits_to_keep": logits_to_keep} if takes_kept else {}),
                **kwargs,
                "return_dict": True,
            }
            for number, takes_kept in enumerate(self._takes_kept)
        ]
        outputs = run_parts(self.parts, inputs)
        logits = [
            self._kept(output.logits, logits_to_keep, takes_kept).to(input_ids.device)
            for output, takes_kept in zip(outputs, self._takes_kept, strict=True)
        ]
        made = [output.get("past_key_values") for output in outputs]
        return CausalLMOutputWithPast(
            logits=self._fused(logits, weights),
            past_key_values=None if any(cache is None for cache in made) else JointCache(made),
            hidden_states=outputs[0].get("hidden_states"),
            attentions=outputs[0].get("attentions"),
        )

    def _caches(self, past_key_values: JointCache | None) -> Sequence[Cache | None]:
        """The cache of every part, None where there is none yet.

        Raises:
            UserError: It is not a joint model's.
        """
        if past_key_values is None:
            return [None] * len(self.parts)
        if not isinstance(past_key_values, JointCache):
            raise UserError(
                f"past_key_values is a {type(past_key_values).__name__}: a joint model keeps one "
                "cache per part; leave it out, or pass what an earlier call returned"
            )
        return past_key_values.parts

    def _fused(
        self, logits: Sequence[Tensor], weights: tuple[float, ...] | Tensor | Routed
    ) -> Tensor:
        """Logits of the mixture (B, kept, V), by constant weights or by the router's."""
        if not isinstance(weights, str):
            return fuse_logits(logits, weights)
        base_BTV, memory_BTV = logits
        return fuse_routed(base_BTV, memory_BTV, router_of(self.config))

    def _kept(self, logits_BTV: Tensor, kept: int | Tensor, is_cut: bool) -> Tensor:
        """The wanted positions over the shared vocabulary, float32."""
        if not is_cut:
            wanted = slice(-kept if kept else None, None) if isinstance(kept, int) else kept
            logits_BTV = logits_BTV[:, wanted]
        return logits_BTV[..., : self.config.vocab_size].float()


AutoConfig.register(MODEL_TYPE, JointConfig, exist_ok=True)
AutoModelForCausalLM.register(JointConfig, JointForCausalLM, exist_ok=True)
