"""What users call: validation of what they hand over, and the estimators' conventions. Nothing is computed here."""
