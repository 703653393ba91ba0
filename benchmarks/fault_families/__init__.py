"""The families of the fault suite, one a module with its `FAMILY`; `benchmarks/faults.py` runs them."""
