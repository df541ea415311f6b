"""What authors of agents and platforms write, as their type checker sees it. Never run: `mypy --strict` is the test.

Wrong uses stand here with the error they must bring; an ignore that is not needed any more fails the check.
"""
