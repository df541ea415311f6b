"""AssemblyAI: its streaming recogniser and its voice, which are services of their own with one key."""
