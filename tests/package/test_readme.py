"""The examples of the README and of the guides run, print what is shown, and their links work."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

import seqcast

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDES = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "benchmarks" / "README.md", *GUIDES]
# A Python block and, if a block without a language follows directly, the output that it shows.
EXAMPLE = re.compile(r"```python\n(.*?)```(?:\n\n```\n(.*?)```)?", re.DOTALL)
QUICK_START, SEARCH, CLASSIFIER, LAYER = (match[1] for match in EXAMPLE.finditer(README))
LINK = re.compile(r"\]\((?!http)([^)#\s]*)(?:#([^)\s]+))?\)")

ignore_max_iter = pytest.mark.filterwarnings("ignore:Stopped at max_iter:UserWarning")
each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def test_quick_start_prints_the_shown_output(capsys):
    run_example(QUICK_START)
    shown = next(match[2] for match in EXAMPLE.finditer(README) if match[1] == QUICK_START)
    assert_same_output(capsys.readouterr().out, shown)


@ignore_max_iter
def test_search_and_backtest_example_runs(capsys):
    past = seqcast.datasets.load_weather()[["temp", "dewp"]][:1000]
    scope = run_example(SEARCH, {"seqcast": seqcast, "past": past})
    assert scope["search"].best_params_["hidden_size"] in (16, 32)
    assert len(scope["forecasts"]) == 24 * 5
    assert "temp" in capsys.readouterr().out


@ignore_max_iter
def test_classifier_example_reaches_high_accuracy(capsys):
    run_example(CLASSIFIER, {"seqcast": seqcast})
    assert 0.9 < float(capsys.readouterr().out) <= 1


def test_layer_example_has_the_shapes_and_names_of_pytorch():
    scope = run_example(LAYER)
    assert scope["output"].shape == (4, 10, 16)
    assert scope["grads"]["weight_ih_l0"].shape == (32, 3)
    assert (scope["layer"].weights["weight_ih_l0"] == 0).all()


@ignore_max_iter
@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_guide_prints_the_shown_output(path, capsys):
    scope: dict = {}
    for example, shown in EXAMPLE.findall(path.read_text(encoding="utf-8")):
        if has_dependencies(example):
            # Worker processes take seconds to start; tests/estimators/test_search.py uses two of them.
            run_example(example.replace("n_jobs=2", "n_jobs=1"), scope)
            printed = capsys.readouterr().out
            if shown:
                assert_same_output(printed, shown)


@each_page
def test_links_lead_to_existing_files_and_headings(path):
    for target, heading in LINK.findall(path.read_text(encoding="utf-8")):
        linked = path.parent / target if target else path
        assert linked.exists(), target
        if heading:
            assert heading in headings(linked), f"{target}#{heading}"


def run_example(code: str, scope: dict | None = None) -> dict:
    """Execute an example in `scope`, and return the scope."""
    scope = {} if scope is None else scope
    exec(code, scope)
    return scope


def has_dependencies(code: str) -> bool:
    """Return whether the optional packages that an example imports are installed."""
    return "import polars" not in code or all(map(find_spec, ["polars", "narwhals"]))


def assert_same_output(printed: str, shown: str) -> None:
    """Check that words and integers are equal, and decimal numbers approximately.

    Rounding differs between processors, and training amplifies the differences.
    """
    assert without_decimals(printed) == without_decimals(shown)
    assert decimals(printed) == pytest.approx(decimals(shown), rel=0.2, abs=0.05)


def without_decimals(text: str) -> list[list[str]]:
    return [re.sub(r"-?\d+\.\d+", "#", line).split() for line in text.strip().splitlines()]


def decimals(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.\d+", text)]


def headings(path: Path) -> set[str]:
    """Return the anchors that GitHub creates for the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}
