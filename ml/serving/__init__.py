"""`/predict`: the night's judgement, online. The page docs/predict.md is its contract."""
