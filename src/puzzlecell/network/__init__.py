"""The network: backbone, class activation maps, puzzle, starting weights, published checkpoints."""
