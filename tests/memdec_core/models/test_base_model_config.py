"""A base model comes from exactly one source."""

from typing import Any

import pytest
from pydantic import ValidationError

from memdec_core.models.models_config import BaseModelConfig

CORPUS = {"documents": ["docstrings:stdlib"]}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "not neither"),
    ({"name": "gpt2", "pretrain": {"corpus": CORPUS}}, "not both"),
    ({"pretrain": {"corpus": CORPUS}, "revision": "main"}, "`revision` belongs to a hub model"),
    ({"pretrain": {"corpus": CORPUS, "width": 100, "heads": 8}}, "multiple of twice the heads"),
    ({"pretrain": {"corpus": CORPUS, "batch_tokens": 511}}, "at least one sequence"),
    ({"pretrain": {"corpus": CORPUS, "vocab_size": 256}}, "greater than or equal to 257"),
    ({"pretrain": {"corpus": CORPUS, "layer": 2}}, "Extra inputs are not permitted"),
    ({"name": ""}, "at least 1 character"),
]


@pytest.mark.parametrize(("values", "words"), REFUSED)
def test_a_configuration_that_cannot_be_meant_is_refused(
    values: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        BaseModelConfig.model_validate(values)


def test_a_name_or_a_model_to_pretrain_is_enough() -> None:
    assert BaseModelConfig(name="gpt2", revision="main").pretrain is None
    pretrain = BaseModelConfig.model_validate({"pretrain": {"corpus": CORPUS}}).pretrain
    assert pretrain is not None
    assert pretrain.architecture == "gpt2"


def test_every_field_is_described_for_the_form_of_the_interface() -> None:
    schema = BaseModelConfig.model_json_schema()
    fields = schema["properties"] | schema["$defs"]["PretrainConfig"]["properties"]
    assert [name for name, field in fields.items() if "description" not in field] == []
