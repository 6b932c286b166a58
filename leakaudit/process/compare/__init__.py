"""Compare runs: one workload under several settings, each run sampled from outside."""
