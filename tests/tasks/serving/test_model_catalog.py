import pytest

from tasks.serving.api_errors import ApiError
from tests.services.running_server import models

CATALOG = models().catalog


@pytest.mark.parametrize(
    ("model", "alpha", "memories", "weights"),
    [
        ("base", None, None, (0.0, 0.0)),
        ("law", None, None, (0.3, 0.0)),
        ("biomed", None, None, (0.0, 0.6)),
        ("law", 0.9, None, (0.9, 0.0)),
        ("biomed", 0.0, None, (0.0, 0.0)),
        ("base", None, {"biomed": 0.2, "law": 0.7}, (0.7, 0.2)),
        ("law", None, {"biomed": 0.2, "law": 0.1}, (0.1, 0.2)),
        ("base", None, {}, (0.0, 0.0)),
        ("base", None, {"law": 0.7, "biomed": 0.3}, (0.7, 0.3)),
    ],
)
def test_weights_are_those_that_the_request_means(
    model: str,
    alpha: float | None,
    memories: dict[str, float] | None,
    weights: tuple[float, float],
) -> None:
    assert CATALOG.weights(model, alpha, memories) == weights


@pytest.mark.parametrize(
    ("model", "alpha", "memories", "status", "message"),
    [
        ("medicine", None, None, 404, "there are `base`, `law`, `biomed`"),
        ("base", 0.5, None, 400, "`base` has none"),
        ("law", 0.5, {"law": 0.5}, 400, "not both"),
        ("base", None, {"medicine": 0.5}, 400, "`medicine` is no memory"),
        ("law", None, {"biomed": 0.5}, 400, "leaves `law` out"),
        ("base", None, {"law": 0.7, "biomed": 0.4}, 400, "1.1 together"),
    ],
)
def test_unknown_and_contradictory_models_are_refused(
    model: str, alpha: float | None, memories: dict[str, float] | None, status: int, message: str
) -> None:
    with pytest.raises(ApiError, match=message) as refused:
        CATALOG.weights(model, alpha, memories)
    assert refused.value.status_code == status
