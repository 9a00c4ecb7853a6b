"""Infrastructure of all jobs: logs, progress, devices, threads, atomic file writes, fingerprints."""
