"""Salt: the master, the minions' keys, their pillar, targets, jobs and what they return.

Nothing else in Saltus imports salt. Importing this package is cheap: salt itself is imported when it is first needed.
"""
