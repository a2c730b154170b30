"""People's decisions on images that the model may not decide."""
