"""What takes calls: `service` and `report` are what the front sees of agents, `local` runs them in this process."""
