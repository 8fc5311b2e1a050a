"""How jobs are run; the job ledger is the truth, the engine only runs."""
