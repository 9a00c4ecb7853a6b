"""What is made of embeddings of cells: pictures, and cells that look alike."""
