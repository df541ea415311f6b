"""One conversation: model runs, tools and history."""
