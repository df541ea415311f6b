"""What takes calls: the agents of this process."""
