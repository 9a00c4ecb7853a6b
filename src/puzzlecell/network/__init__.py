"""The network: backbone, class activation maps, puzzle, pretrained weights, published checkpoints."""
