"""Pictures of comparisons are PNGs, the same bytes for the same numbers, others for others."""

from memdec_core.plots.comparison_plots import Point, ablation_png, forgetting_png, reliability_png

PNG = b"\x89PNG"


def test_losses_have_a_panel_per_base_with_intervals() -> None:
    by_beta = {1.0: Point(20.0, 19.0, 21.0), 0.0: Point(22.0, None, None)}
    backwards = dict(reversed(by_beta.items()))
    first = ablation_png({"one": by_beta, "two": by_beta})
    assert first.startswith(PNG)
    assert first == ablation_png({"one": backwards, "two": by_beta})
    wider = by_beta | {1.0: Point(20.0, 15.0, 21.0)}
    assert first != ablation_png({"one": wider, "two": by_beta})
    assert ablation_png({str(n): by_beta for n in range(4)}).startswith(PNG)


def test_bins_of_which_nothing_followed_are_left_out() -> None:
    points = [(0.01, 0.02, 1000), (0.5, 0.4, 10)]
    first = reliability_png(points)
    assert first.startswith(PNG)
    assert first == reliability_png([*points, (0.9, 0.0, 5)])
    assert first != reliability_png(points[:1])
    assert reliability_png([]).startswith(PNG)


def test_forgetting_may_lack_cells() -> None:
    rows = {"law": {"law": 0.5, "finance": 1.2}, "finance": {"finance": 0.4}}
    first = forgetting_png({"memory": rows, "DAPT": rows})
    assert first.startswith(PNG)
    assert first == forgetting_png({"memory": rows, "DAPT": rows})
    assert first != forgetting_png({"memory": rows, "LoRA": rows})
    assert forgetting_png({"memory": {"law": {"law": 1.0}}}).startswith(PNG)
