"""The parts of a fitted forecaster that tests look into."""

from dataclasses import replace


def model_of(forecaster):
    """Return the model of all series."""
    (model,) = forecaster.fitted_.models
    return model


def recurrent_of(forecaster):
    return model_of(forecaster).parts["recurrent"]


def networks_of(forecaster):
    return [member.network for member in recurrent_of(forecaster).members]


def linear_map_of(forecaster):
    """Return the linear map, None if there is none."""
    part = model_of(forecaster).parts.get("linear")
    return None if part is None else part.map


def residuals_of(forecaster):
    return model_of(forecaster).residuals


def replace_model(forecaster, **changes):
    """Give a forecaster another model, with these attributes changed."""
    model = replace(model_of(forecaster), **changes)
    forecaster.fitted_ = replace(forecaster.fitted_, model=model)
