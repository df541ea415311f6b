"""Finding one throw-away agent among whatever else is installed."""

from voice_host.plugins import BrokenAgent, DiscoveredAgent, LoadedAgent, discover_agents, load_agent


def find(agent_id: str) -> DiscoveredAgent | BrokenAgent:
    [found] = [outcome for outcome in discover_agents() if outcome.id == agent_id]
    return found


def load(agent_id: str, **settings: object) -> LoadedAgent | BrokenAgent:
    found = find(agent_id)
    return found if isinstance(found, BrokenAgent) else load_agent(found, settings)


def loaded(agent_id: str, **settings: object) -> LoadedAgent:
    outcome = load(agent_id, **settings)
    assert isinstance(outcome, LoadedAgent), outcome
    return outcome


def broken(agent_id: str, **settings: object) -> BrokenAgent:
    outcome = load(agent_id, **settings)
    assert isinstance(outcome, BrokenAgent), outcome
    return outcome
