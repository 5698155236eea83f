"""The entry point of every DataVision image: signals, result, resource use."""
