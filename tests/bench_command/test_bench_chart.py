"""The picture."""

from pathlib import Path

import pytest

from bot.bench.chart import draw, require_chart
from bot.bench.errors import ChartUnwritableError
from bot.bench.figures import Sample
from bot.bench.machine import describe_machine
from bot.bench.results import FirstToken, ModelFigures, Results, Throughput
from bot.locales import Words

pytest.importorskip("matplotlib")

WAYS = ("snippet", "batched generate", "Roundtale fp32", "Roundtale int8")


def results(models: int) -> Results:
    figures = [
        ModelFigures(
            name=f"model {number}",
            parameters=1,
            throughput=[
                Throughput(way=way, batch=batch, tokens_s=Sample.of([20.0 * batch]), ratio=None)
                for way in WAYS
                for batch in (1, 8)
                if (way, batch) != ("batched generate", 1)
            ],
            first_token=[
                FirstToken(way=way, prompt=30, cached=870, ms=Sample.of([30.0]), ratio=None)
                for way in WAYS[2:]
            ],
        )
        for number in range(models)
    ]
    return Results(
        machine=describe_machine(),
        is_quick=False,
        took_s=1.0,
        busy_share=0.0,
        models=tuple(figures),
    )


def size(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    return int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")


def test_the_chart_is_a_png_with_a_row_for_each_model(tmp_path: Path) -> None:
    path = tmp_path / "figures.png"
    require_chart(path)
    draw(results(1), path, Words())
    width, height = size(path.read_bytes())
    draw(results(2), path, Words())
    assert size(path.read_bytes())[0] == width
    assert size(path.read_bytes())[1] > 1.5 * height


def test_a_chart_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ChartUnwritableError, match="no such folder"):
        require_chart(tmp_path / "nowhere" / "figures.png")
    with pytest.raises(ChartUnwritableError, match="directory"):
        draw(results(1), tmp_path, Words())
