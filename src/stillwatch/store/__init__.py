"""What outlives a process: lake (bulk rows), state (judgements), vault (sealed identities), ledger, keys, workspace."""
