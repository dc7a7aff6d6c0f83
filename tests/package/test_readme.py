"""The front page and the guides do what they say."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

import seqcast

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDES = sorted((ROOT / "docs").glob("*.md"))
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
PYTHON_AND_OUTPUT = r"```python\n(.*?)```(?:\n\n```\n(.*?)```)?"


def test_quick_start_prints_what_the_page_shows(capsys):
    _run(BLOCKS[0])
    printed, shown = capsys.readouterr().out, PAGE.split("```python\n" + BLOCKS[0])[1].split("```")[2]
    _assert_alike(printed, shown.strip())


def _assert_alike(printed: str, shown: str) -> None:
    """Another processor rounds otherwise, training makes more of it: all but figures must be equal."""
    assert _without_figures(printed) == _without_figures(shown)
    assert _figures(printed) == pytest.approx(_figures(shown), rel=0.2, abs=0.05)


def _without_figures(text: str) -> list[list[str]]:
    return [re.sub(r"-?\d+\.\d+", "#", line).split() for line in text.splitlines()]


def _figures(text: str) -> list[float]:
    return [float(figure) for figure in re.findall(r"-?\d+\.\d+", text)]


def _run(block: str, scope: dict | None = None) -> dict:
    scope = {} if scope is None else scope
    exec(block, scope)
    return scope


@pytest.mark.filterwarnings("ignore:Stopped at max_iter:UserWarning")
def test_search_and_backtest_run(capsys):
    past = seqcast.datasets.load_weather()[["temp", "dewp"]][:1000]
    scope = _run(BLOCKS[1], {"seqcast": seqcast, "past": past})
    assert scope["search"].best_params_["hidden_size"] in (16, 32)
    assert len(scope["rows"]) == 24 * 5
    assert "temp" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:Stopped at max_iter:UserWarning")
def test_classifier_example_runs(capsys):
    _run(BLOCKS[2], {"seqcast": seqcast})
    assert 0.9 < float(capsys.readouterr().out) <= 1


def test_layer_example_runs():
    scope = _run(BLOCKS[3])
    assert scope["output"].shape == (4, 10, 16)
    assert scope["grads"]["weight_ih_l0"].shape == (32, 3)
    assert (scope["layer"].weights["weight_ih_l0"] == 0).all()


@pytest.mark.filterwarnings("ignore:Stopped at max_iter:UserWarning")
@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_guide_prints_what_it_shows(path, capsys):
    scope: dict = {}
    for block, shown in re.findall(PYTHON_AND_OUTPUT, path.read_text(encoding="utf-8"), re.S):
        if _can_run(block):
            _run(block, scope)
            printed = capsys.readouterr().out
            if shown:
                _assert_alike(printed, shown)


def _can_run(block: str) -> bool:
    """Frames of polars are read where it and narwhals are installed."""
    return "import polars" not in block or all(map(find_spec, ["polars", "narwhals"]))


@pytest.mark.parametrize("path", [ROOT / "README.md", *GUIDES], ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
