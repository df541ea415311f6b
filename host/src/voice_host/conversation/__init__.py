"""One conversation: the model's run, its tools, its history."""
