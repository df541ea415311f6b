"""How clients are spoken to: their protocols, and the connection beneath."""
