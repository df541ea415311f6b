"""Speech services that tests add to the host: folders like those in the host's own `speech/`."""
