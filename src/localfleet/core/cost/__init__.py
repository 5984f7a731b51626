"""What a fixed box costs against a price per token: values, formulas, fits. Pure; numpy does the arithmetic."""
