"""Engines make data: the only place that evaluates a potential."""
