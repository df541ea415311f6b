"""Strict stand-ins for the cloud speech services: real WebSockets on loopback."""

from tests.simulators.assemblyai import AssemblyAISimulator
from tests.simulators.orpheus import Fault, OrpheusSimulator

__all__ = ["AssemblyAISimulator", "Fault", "OrpheusSimulator"]
