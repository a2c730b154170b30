"""Model versions: card, checkpoint, registry, predictor, pretrained weights."""
