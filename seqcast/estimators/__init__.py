"""What users call: validation and the estimators' conventions; nothing is computed here."""
