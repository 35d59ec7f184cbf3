"""How good a model is: protocol, metrics, report."""
