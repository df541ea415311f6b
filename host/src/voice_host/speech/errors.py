"""What can go wrong before a speech service is used."""


class ProviderConfigError(Exception):
    """A speech service that was asked for cannot be had. The message says what to set or to install."""
