"""Input of SeqRegressor, SeqClassifier and SeqEncoder: accepted types and errors."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

from seqcast import SeqClassifier, SeqEncoder, SeqRegressor

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

NAN, N = np.nan, 30
TINY = {"hidden_size": 4, "max_iter": 2, "random_state": 0}
ESTIMATORS = {kind.__name__: kind for kind in (SeqRegressor, SeqClassifier, SeqEncoder)}
estimators = pytest.mark.parametrize("kind", ESTIMATORS.values(), ids=ESTIMATORS)
supervised = pytest.mark.parametrize("kind", [SeqRegressor, SeqClassifier])

X = np.random.default_rng(0).normal(size=(N, 4, 2))
FLAT = X.reshape(N, 8)
FRAME = pd.DataFrame(FLAT).add_prefix("s")
TARGETS = {
    SeqRegressor: X[:, -1, 0],
    SeqClassifier: np.where(X[:, -1, 0] > 0, "up", "down"),
    SeqEncoder: None,
}


def says(message):
    """Return a pattern that matches exactly this message."""
    return f"^{re.escape(message)}$"


def fit(kind, rows=X, weights=None, **options):
    return kind(**TINY, **options).fit(rows, TARGETS[kind], sample_weight=weights)


def predictions_of(model, rows):
    return model.transform(rows) if hasattr(model, "transform") else model.predict(rows)


def calls(kind, rows):
    """Return all methods that read rows: fit, partial_fit and those of the fitted estimator."""
    fitted = fit(kind, FLAT, n_channels=2)
    first = {"classes": ["down", "up"]} if kind is SeqClassifier else {}
    return {
        "fit": lambda: fit(kind, rows),
        "partial_fit": lambda: kind(**TINY).partial_fit(rows, TARGETS[kind], **first),
        "predictions_of": lambda: predictions_of(fitted, rows),
    }


def assert_refused(kind, rows, error, message):
    for call in calls(kind, rows).values():
        with pytest.raises(error, match=message.format(owner=kind.__name__)):
            call()


def changed(place, value, rows=X, dtype=float):
    rows = rows.astype(dtype)
    rows[place] = value
    return rows


# -- what is taken


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "uint64", "bool", "object"])
@estimators
def test_other_numbers_are_converted(kind, dtype):
    rows = np.round(np.abs(FLAT) * 3).astype(dtype)
    one, other = fit(kind, rows), fit(kind, rows.astype(float))
    np.testing.assert_array_equal(predictions_of(one, rows), predictions_of(other, rows.astype(float)))
    np.testing.assert_array_equal(
        predictions_of(fit(kind, rows.tolist()), rows.tolist()), predictions_of(one, rows)
    )


@pytest.mark.parametrize("dtype", ["Float64", "Float32", "double[pyarrow]", "float[pyarrow]"])
@estimators
def test_nullable_and_arrow_columns_are_converted(kind, dtype):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    gaps = FRAME.mask(FRAME > 1).astype("float32" if "32" in dtype or dtype == "float[pyarrow]" else float)
    nullable = gaps.astype(dtype)
    assert nullable.isna().any(axis=None)
    one, other = fit(kind, nullable), fit(kind, gaps.to_numpy())
    np.testing.assert_array_equal(predictions_of(one, nullable), predictions_of(other, gaps.to_numpy()))


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "int64[pyarrow]"])
@estimators
def test_nullable_counts_and_flags_are_converted(kind, dtype):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    rows = (FRAME > 0).astype(dtype)
    plain = (FRAME > 0).to_numpy().astype(float)
    np.testing.assert_array_equal(
        predictions_of(fit(kind, rows), rows), predictions_of(fit(kind, plain), plain)
    )


@estimators
def test_one_frame_may_mix_numbers_of_any_kind(kind):
    rows = FRAME.assign(
        s0=range(N), s1=FRAME.s1.astype("float32"), s2=FRAME.s2 > 0, s3=FRAME.s3.astype("Float64")
    )
    plain = rows.astype(float).to_numpy()
    np.testing.assert_array_equal(
        predictions_of(fit(kind, rows), rows), predictions_of(fit(kind, plain), plain)
    )


@estimators
def test_three_dimensions_tell_the_channels(kind):
    one, other, single = fit(kind), fit(kind, FLAT, n_channels=2), fit(kind, FLAT)
    assert (one.n_channels_, other.n_channels_, single.n_channels_) == (2, 2, 1)
    assert (one.n_features_in_, other.n_features_in_, single.n_features_in_) == (8, 8, 8)
    for rows in (X, FLAT, X.tolist(), np.asfortranarray(X), X[:, ::-1][:, ::-1]):
        np.testing.assert_array_equal(predictions_of(one, rows), predictions_of(other, X))
    assert [model.weights_["weight_ih_l0"].shape for model in (one, other, single)] == [
        (12, 2),
        (12, 2),
        (12, 1),
    ]


@estimators
def test_what_is_passed_stays_as_it_was(kind):
    rows = changed((0, slice(2, None)), NAN)
    rows[1, 1] = -0.0
    before, weights = rows.copy(), np.arange(N, dtype=float)
    predictions_of(fit(kind, rows, weights), rows)
    np.testing.assert_array_equal(rows, before)
    np.testing.assert_array_equal(np.signbit(rows), np.signbit(before))
    np.testing.assert_array_equal(weights, np.arange(N))
    read_only = X.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(
        predictions_of(fit(kind, read_only), read_only), predictions_of(fit(kind), X)
    )


# -- shapes


def shape_error(kind, shape, c):
    return says(
        f"The 'X' parameter of {kind.__name__} must have shape (n, n_steps, {c}) or (n, n_steps * {c}). Got "
        f"{shape} instead. n_channels is the number of variables of a step; leave it None to take it from X."
    )


@estimators
def test_channels_must_be_those_that_were_set_or_fitted(kind):
    with pytest.raises(ValueError, match=shape_error(kind, (N, 4, 2), 3)):
        fit(kind, n_channels=3)
    for model in (fit(kind), fit(kind, n_channels=2), fit(kind, FLAT, n_channels=2)):
        with pytest.raises(ValueError, match=shape_error(kind, (N, 4, 1), 2)):
            predictions_of(model, X[:, :, :1])


@estimators
def test_later_passes_read_the_channels_of_the_first(kind):
    """Sequences of 4 steps and 2 channels and of 2 steps and 4 channels have the same width."""
    model = fit(kind)
    with pytest.raises(ValueError, match=shape_error(kind, (N, 2, 4), 2)):
        model.partial_fit(X.reshape(N, 2, 4), TARGETS[kind])


@estimators
def test_four_dimensions_are_refused(kind):
    with pytest.raises(ValueError, match=shape_error(kind, (N, 4, 2, 1), "n_channels")):
        fit(kind, X[..., None])
    with pytest.raises(ValueError, match=shape_error(kind, (N, 4, 2, 1), 2)):
        fit(kind, X[..., None], n_channels=2)


@estimators
def test_rows_must_hold_whole_steps(kind):
    message = (
        f"The rows of the 'X' parameter of {kind.__name__} must hold a multiple of n_channels=3 numbers. Got "
        f"8 instead. Set n_channels to the number of variables of a step."
    )
    with pytest.raises(ValueError, match=says(message)):
        fit(kind, FLAT, n_channels=3)


@estimators
def test_flat_rows_must_have_the_width_of_those_fitted(kind):
    message = f"X has 6 features, but {kind.__name__} is expecting 8 features as input"
    for model in (fit(kind), fit(kind, FLAT)):
        with pytest.raises(ValueError, match=message):
            predictions_of(model, FLAT[:, :6])
        with pytest.raises(ValueError, match=message):
            model.partial_fit(FLAT[:, :6], TARGETS[kind])


RAGGED = {
    "lists": [[1.0, 2.0], [3.0]] * (N // 2),
    "lists of steps": [[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]] * (N // 2),
    "arrays": [np.ones((3, 2)), np.ones((2, 2))] * (N // 2),
}


@pytest.mark.parametrize("rows", RAGGED.values(), ids=RAGGED)
@estimators
def test_rows_of_different_lengths_need_padding(kind, rows):
    message = (
        "The 'X' parameter of {owner} must have rows of one length. Got rows of different lengths instead. "
        "Bring them into one array with seqcast.pad_sequences(X)."
    )
    assert_refused(kind, rows, ValueError, says(message).replace(r"\{owner\}", "{owner}"))


EMPTY = {(0, 8): "0 sample", (0, 4, 2): "0 sample", (N, 0): "0 feature", (N, 0, 2): "0 feature"}


@pytest.mark.parametrize(("shape", "message"), EMPTY.items(), ids=str)
@estimators
def test_nothing_at_all_is_refused(kind, shape, message):
    assert_refused(kind, np.zeros(shape), ValueError, rf"Found array with {message}\(s\)")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.arange(float(N)), "Expected 2D array, got 1D array instead"),
        (3.0, "Expected 2D array, got scalar array instead"),
        (None, "Expected 2D array, got scalar array instead"),
        (FRAME.s0, "Expected a 2-dimensional container but got .*Series"),
    ],
    ids=["1-D", "number", "None", "Series"],
)
@estimators
def test_what_has_no_rows_is_refused(kind, rows, message):
    assert_refused(kind, rows, ValueError, message)


# -- values


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("rows", [X, FLAT], ids=["3-D", "2-D"])
@estimators
def test_infinite_values_are_refused(kind, rows, value):
    spoilt = changed((3, 2), value, rows)
    assert_refused(kind, spoilt, ValueError, "Input X contains infinity or a value too large for dtype")


COLUMNS = {
    "text": ("a", r"of dtype (str|object \(content: string\)) instead\. Convert it with pd\.to_numeric"),
    "object": (
        FRAME.s3.astype(object),
        r"of dtype object \(content: floating\) instead\. Convert it with pd",
    ),
    "category": (pd.Categorical(["a"] * N), r"of dtype category instead\. Encode it with pd\.get_dummies"),
    "date": (pd.Timestamp("2024-01-01"), r"of dtype datetime64\[\w+\] instead\. Make it the index"),
}


@pytest.mark.parametrize(("column", "message"), COLUMNS.values(), ids=COLUMNS)
@estimators
def test_a_column_of_a_frame_that_holds_no_numbers_is_named(kind, column, message):
    head = r"^The 'X' parameter of {owner} must hold numbers only\. Got column 's3' "
    assert_refused(kind, FRAME.assign(s3=column), TypeError, head + message)


@pytest.mark.parametrize("rows", [[["a", "b"]] * N, [[["a", "b"]]] * N], ids=["2-D", "3-D"])
@estimators
def test_text_in_arrays_is_refused(kind, rows):
    assert_refused(kind, rows, ValueError, "could not convert string to float")


@pytest.mark.parametrize("rows", [X + 1j, FLAT + 1j], ids=["3-D", "2-D"])
@estimators
def test_complex_numbers_are_refused(kind, rows):
    assert_refused(kind, rows, ValueError, "Complex data not supported")


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.coo_array])
@estimators
def test_sparse_matrices_are_refused(kind, form):
    assert_refused(kind, form(FLAT), TypeError, "Sparse data was passed")


@estimators
def test_a_channel_without_anything_observed_is_named(kind):
    blank = changed((slice(None), slice(None), 1), NAN)
    message = (
        f"The 'X' parameter of {kind.__name__}.fit must have an observed value in every channel of the rows "
        f"that are trained on. Got nothing but NaN in channel 1. Drop that channel."
    )
    half = blank.copy()
    half[-5:] = X[-5:]
    weights = np.r_[np.ones(N - 5), np.zeros(5)]
    with pytest.raises(ValueError, match=says(message)):
        fit(kind, blank)
    with pytest.raises(ValueError, match=says(message)):
        fit(kind, half, weights)
    if kind is not SeqClassifier:  # which does not judge by the last rows
        with pytest.raises(ValueError, match=says(message)):
            fit(kind, half, early_stopping=True, validation_fraction=5 / N)
    assert np.isfinite(fit(kind, half).loss_curve_).all()
    assert len(predictions_of(fit(kind), blank)) == N  # the channel was observed when the network learned


@estimators
def test_a_row_of_nan_only_is_one_missing_step(kind):
    """Such a sequence has one missing step with a flag, and padding."""
    blank = changed(3, NAN)
    assert fit(kind).weights_["weight_ih_l0"].shape == (12, 2)
    for rows in (blank, blank.reshape(N, 8)):
        model = fit(kind, rows, n_channels=2)
        assert model.weights_["weight_ih_l0"].shape == (12, 4)
        assert np.isfinite(model.loss_curve_).all()
        answer = predictions_of(model, np.full((1, 1, 2), NAN))
        np.testing.assert_array_equal(predictions_of(model, blank)[3:4], answer)
        np.testing.assert_array_equal(
            predictions_of(model, np.full((2, 4, 2), NAN)), np.repeat(answer, 2, axis=0)
        )


# -- frames


@estimators
def test_columns_of_frames_must_be_those_fitted_in_their_order(kind):
    model = fit(kind, FRAME, n_channels=2)
    assert model.feature_names_in_.tolist() == [f"s{k}" for k in range(8)]
    for rows, message in [
        (FRAME[FRAME.columns[::-1]], "Feature names must be in the same order as they were in fit"),
        (FRAME.drop(columns="s3"), "Feature names seen at fit time, yet now missing:\n- s3"),
        (FRAME.assign(other=1.0), "Feature names unseen at fit time:\n- other"),
        (FRAME.rename(columns={"s3": "t3"}), "Feature names unseen at fit time:\n- t3"),
    ]:
        for call in (
            lambda rows=rows: predictions_of(model, rows),
            lambda rows=rows: model.partial_fit(rows, TARGETS[kind]),
        ):
            with pytest.raises(ValueError, match=message):
                call()
    with pytest.warns(UserWarning, match="X does not have valid feature names, but"):
        predictions_of(model, FLAT)
    np.testing.assert_array_equal(
        predictions_of(model, X), predictions_of(model, FRAME)
    )  # steps have no names


# -- weights


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.where(np.arange(N) == 3, -1.0, 1.0), "Negative values in data passed to `sample_weight`"),
        (np.zeros(N), "must be more than 0 for some rows|at least one non-zero"),
        (np.ones(N - 1), r"sample_weight\.shape == \(29,\), expected \(30,\)"),
        (np.ones((N, 2)), "Sample weights must be 1D array or scalar"),
        (np.where(np.arange(N) == 3, NAN, 1.0), "Input sample_weight contains NaN"),
        (np.where(np.arange(N) == 3, np.inf, 1.0), "Input sample_weight contains infinity"),
        (["heavy"] * N, "could not convert string to float"),
    ],
    ids=["negative", "zeros", "short", "2-D", "NaN", "infinite", "text"],
)
@estimators
def test_weights_that_are_none_are_refused(kind, weights, message):
    first = {"classes": ["down", "up"]} if kind is SeqClassifier else {}
    with pytest.raises(ValueError, match=message):
        fit(kind, weights=weights)
    with pytest.raises(ValueError, match=message):
        kind(**TINY).partial_fit(X, TARGETS[kind], sample_weight=weights, **first)


# -- targets


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (changed(3, NAN, X[:, 0, 0]), "Input y contains NaN"),
        (changed(3, np.inf, X[:, 0, 0]), "Input y contains infinity"),
        (pd.Series(X[:, 0, 0]).astype("Float64").mask(np.arange(N) == 3), "Input y contains NaN"),
        (X[:-1, 0, 0], r"Found input variables with inconsistent numbers of samples: \[30, 29\]"),
        (X[:, 0, 0] + 1j, "Complex data not supported"),
        (X, "Found array with dim 3"),
        (None, "requires y to be passed, but the target y is None"),
    ],
    ids=["NaN", "infinite", "NA", "short", "complex", "3-D", "None"],
)
@supervised
def test_targets_that_are_none_are_refused(kind, target, message):
    for call in (kind(**TINY).fit, kind(**TINY).partial_fit):
        first = (
            {"classes": ["down", "up"]} if call.__name__ == "partial_fit" and kind is SeqClassifier else {}
        )
        with pytest.raises(ValueError, match=message):
            call(X, target, **first)


@pytest.mark.parametrize("value", [None, NAN])
def test_a_missing_number_among_objects_is_refused(value):
    spoilt = changed(3, value, TARGETS[SeqRegressor], object)
    for target in (spoilt, np.column_stack([TARGETS[SeqRegressor], spoilt])):
        for call in (SeqRegressor(**TINY).fit, SeqRegressor(**TINY).partial_fit):
            with pytest.raises(ValueError, match=r"Input (y )?contains NaN"):
                call(X, target)


def test_none_among_objects_is_named_as_a_target():
    with pytest.raises(ValueError, match=r"^Input y contains NaN\.$"):
        SeqRegressor(**TINY).fit(X, changed(3, None, TARGETS[SeqRegressor], object))


def test_text_is_no_number():
    with pytest.raises(ValueError, match="could not convert string to float"):
        SeqRegressor(**TINY).fit(X, ["much"] * N)


# -- before and after


@estimators
def test_nothing_comes_before_fit(kind):
    with pytest.raises(NotFittedError, match=f"This {kind.__name__} instance is not fitted yet"):
        predictions_of(kind(), X)
    with pytest.raises(NotFittedError, match=f"This {kind.__name__} instance is not fitted yet"):
        _ = kind().weights_


@estimators
def test_what_is_refused_changes_nothing(kind):
    model = fit(kind)
    before, names = predictions_of(model, X), set(vars(model))
    for rows, weights in [(FLAT[:, :6].reshape(N, 2, 3), -np.ones(N)), (np.full((N, 3), NAN), None)]:
        with pytest.raises(ValueError, match=r"sample_weight|observed"):
            model.fit(rows, TARGETS[kind], sample_weight=weights)
        np.testing.assert_array_equal(predictions_of(model, X), before)
        assert set(vars(model)) == names
        assert model.n_features_in_ == 8


# -- arrays that need no check


PLAIN = {
    "float64": FLAT,
    "float32": FLAT.astype("float32"),
    "Fortran order": np.asfortranarray(FLAT),
    "every second row": np.repeat(FLAT, 2, axis=0)[::2],
    "missing values": np.where(FLAT > 1.5, NAN, FLAT),
}


@estimators
@pytest.mark.parametrize("rows", PLAIN.values(), ids=PLAIN)
def test_plain_arrays_are_predicted_without_the_checks_of_scikit_learn(kind, rows, monkeypatch):
    model = fit(kind, FLAT)
    rows = rows.copy(order="K")
    rows.flags.writeable = False
    checked = predictions_of(model, rows.tolist())
    monkeypatch.setattr("seqcast.estimators.sequences.validate_data", None)
    np.testing.assert_array_equal(predictions_of(model, rows), checked)


class Array(np.ndarray):
    """A subclass of an array."""


CHECKED = {
    "subclass": FLAT.view(Array),
    "byte order": FLAT.astype(">f8"),
    "integers": FLAT.astype(int),
    "half precision": FLAT.astype("float16"),
    "no rows": FLAT[:0],
    "columns": FLAT[:, :4],
    "infinity": np.where(FLAT > 1.5, np.inf, FLAT),
    "dimensions": FLAT[0],
}


@pytest.mark.parametrize("rows", CHECKED.values(), ids=CHECKED)
def test_all_other_arrays_are_checked(rows, monkeypatch):
    model = fit(SeqRegressor, FLAT)
    monkeypatch.setattr("seqcast.estimators.sequences.validate_data", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.predict(rows)


def test_arrays_are_checked_if_the_training_data_had_names():
    model = fit(SeqRegressor, FRAME)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(FLAT)
