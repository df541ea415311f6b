"""Creating the package of a new agent: validating its name, and writing its files."""

from voice_host.scaffold.names import NameRefused, Names, names_for
from voice_host.scaffold.write import CannotScaffold, scaffold

__all__ = ["CannotScaffold", "NameRefused", "Names", "names_for", "scaffold"]
