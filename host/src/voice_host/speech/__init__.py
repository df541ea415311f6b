"""Speech services: an adapter in a folder for each, behind the SDK's protocols, and the choice between them."""
