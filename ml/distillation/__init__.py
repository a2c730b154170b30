"""Start weights without labels: a ResNet18 learns from a frozen teacher what to see in photos."""
