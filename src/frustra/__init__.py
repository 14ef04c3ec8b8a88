"""The density of atomistic states of fast ion conductors."""
