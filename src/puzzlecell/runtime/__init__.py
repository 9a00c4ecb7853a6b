"""What every job needs, whatever it computes: logs, progress, devices, threads, atomic files, fingerprints."""
