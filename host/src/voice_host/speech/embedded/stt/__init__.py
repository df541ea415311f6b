"""What was said on this machine: where there is a voice, where a turn ends, and which words."""
