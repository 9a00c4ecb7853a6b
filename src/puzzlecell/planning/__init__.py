"""What a run would cost: jobs, time, memory and disk, before it starts."""
