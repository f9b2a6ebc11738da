"""What `generate()` of transformers has to know of a model that has several parts."""

from typing import Any, NoReturn

from torch import Tensor
from transformers import GenerationMixin

from memdec_core.errors import UserError
from memdec_core.joint.joint_parts import JointCache, PartMasks, masks_for_parts
from memdec_core.joint.weights import weights_of


class JointGenerationMixin(GenerationMixin):
    """`GenerationMixin` for a model with `parts`, each with a cache and with masks of its own."""

    config: Any
    parts: Any

    def generate(self, inputs: Tensor | None = None, *args: Any, **kwargs: Any) -> Any:
        """As `GenerationMixin.generate`, with `alpha` for this call.

        Args:
            inputs: Token ids, int64 (B, T), padded on the left.
            *args: As there.
            **kwargs: As there; `alpha` takes what `weights_of` takes.

        Raises:
            UserError: The weights do not fit, or the kind of cache cannot work.
        """
        if kwargs.get("cache_implementation") == "paged":
            self.init_continuous_batching()
        kwargs["alpha"] = weights_of(self.config, kwargs.pop("alpha", None))
        return super().generate(inputs, *args, **kwargs)

    def init_continuous_batching(self, *_args: object, **_options: object) -> NoReturn:
        """Refused: a paged cache belongs to one model; the parts would silently share it.

        Raises:
            UserError: Always.
        """
        raise UserError(
            "a joint model has a cache for each part and cannot use a paged one: call generate() "
            "with a batch, or `memdec serve`, which batches requests as they come"
        )

    def _prepare_cache_for_generation(
        self, generation_config: Any, model_kwargs: dict[str, Any], *args: Any
    ) -> None:
        """Every part prepares a cache of its own kind."""
        given = model_kwargs.pop("past_key_values", None)
        if given is None:
            caches = [_cache_of(part, generation_config, model_kwargs, args) for part in self.parts]
            if all(cache is not None for cache in caches):
                model_kwargs["past_key_values"] = JointCache(caches)
            elif generation_config.use_cache is not False:
                raise UserError(
                    "a part of the joint model keeps no keys and values that transformers could "
                    "cache; generate with use_cache=False"
                )
        elif isinstance(given, JointCache):
            given._is_user_defined = True
            model_kwargs["past_key_values"] = given
        else:
            raise UserError(
                f"past_key_values is a {type(given).__name__}: leave it out, or pass what an "
                "earlier call of the joint model returned"
            )

    def _get_candidate_generator(self, **options: Any) -> Any:
        """A model that drafts tokens knows nothing of weights."""
        kwargs = {k: v for k, v in options.pop("model_kwargs").items() if k != "alpha"}
        return super()._get_candidate_generator(model_kwargs=kwargs, **options)

    def create_masks_for_generate(self, **options: Any) -> PartMasks:
        """Masks of every part for a cache of fixed size; transformers asks for them by this name.

        Args:
            **options: As `transformers.masking_utils.create_masks_for_generate`.
        """
        return masks_for_parts(self.parts, **options)


def _cache_of(
    part: Any, generation_config: Any, model_kwargs: dict[str, Any], sizes: tuple[Any, ...]
) -> Any:
    own = dict(model_kwargs)
    part._prepare_cache_for_generation(generation_config, own, *sizes)
    return own.get("past_key_values")
