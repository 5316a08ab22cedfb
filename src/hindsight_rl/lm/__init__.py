"""Language models under verifiable constraints (HiR): TRL, verl, and a sandbox that trains in minutes."""
