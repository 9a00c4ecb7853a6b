"""The viewer: pages that show fields, cells and scores from disk, without a server, and the files that they read."""
