"""The agents that take calls. The front sees `service` and `report`; `local` runs agents in this process."""
