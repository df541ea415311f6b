"""Turn-taking: the turn engine and what it decides by. No I/O."""
