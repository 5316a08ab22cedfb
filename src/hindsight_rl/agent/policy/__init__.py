"""The policy: Q-network, PQN, prerequisites of events, replay of rare events."""
