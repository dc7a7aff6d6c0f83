"""The estimators: their parameters, the validation of input, and scikit-learn's conventions."""
