"""A plan as data: stages, steps, gates and the actions that steps name."""

from saltus.plan.plan import Gate, Impact, Plan, Stage, Step

__all__ = ["Gate", "Impact", "Plan", "Stage", "Step"]
