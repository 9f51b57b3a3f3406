"""What imputation and prediction share: reading columns, look-ups, boosted trees, calibration, model search."""
