"""Plots are PNGs, the same bytes for the same numbers, without leftovers of the machine."""

from memdec_core.plots.build_plots import alpha_curve_png, loss_curves_png, systems_png
from memdec_core.training.training_state import CurvePoint


def curve(*, with_kl: bool) -> list[CurvePoint]:
    return [
        CurvePoint(
            step=step,
            epoch=step / 10,
            split=split,
            loss=3 + 1 / (step + 1),
            kl=2 + 1 / (step + 1) if with_kl else None,
            ce=4 + 1 / (step + 1),
            learning_rate=1e-3,
        )
        for step in range(20)
        for split in ("train", "valid")
        if split == "train" or step % 5 == 0
    ]


def test_loss_curves_are_the_same_png_for_the_same_points() -> None:
    first, again = (loss_curves_png(curve(with_kl=True), best_step=15) for _ in range(2))
    assert first.startswith(b"\x89PNG")
    assert first == again
    assert b"matplotlib" not in first
    assert first != loss_curves_png(curve(with_kl=False), best_step=15)


def test_alpha_curves_are_the_same_png_whatever_the_order_of_alphas() -> None:
    by_alpha = {0.0: 20.0, 0.5: 12.5, 1.0: 16.0}
    backwards = dict(reversed(by_alpha.items()))
    first = alpha_curve_png({"base_0": by_alpha, "base_1": {0.0: 9.0, 1.0: 8.0}})
    assert first.startswith(b"\x89PNG")
    assert first == alpha_curve_png({"base_0": backwards, "base_1": {0.0: 9.0, 1.0: 8.0}})


def test_bars_of_systems_are_the_same_png_for_the_same_values_and_name_the_bases() -> None:
    values = {"base": 20.0, "+ memory": 12.5}
    first, again = (systems_png({"one": values, "two": {"base": 9.0}}) for _ in range(2))
    assert first.startswith(b"\x89PNG")
    assert first == again
    assert b"matplotlib" not in first
    assert first != systems_png({"one": values, "two": {"base": 8.0}})
    assert first != systems_png({"one": values, "another": {"base": 9.0}})


def test_nothing_to_draw_is_an_empty_picture() -> None:
    assert loss_curves_png([]).startswith(b"\x89PNG")
    assert alpha_curve_png({}).startswith(b"\x89PNG")
