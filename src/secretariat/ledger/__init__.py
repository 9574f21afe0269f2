"""Each node's signed, append-only log: entries, checkpoints, proofs, keys, partners' logs."""
