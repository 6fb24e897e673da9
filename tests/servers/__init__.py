"""The servers that tests and benchmarks need: found in the environment, or started for one run."""
