"""Saltus moves a running OpenStack cloud across releases: rehearsed on real data, measured, and reversible."""

__version__ = "0.1.0"
