"""Reads facts out of the packages of OpenStack itself, so that nobody has to type them."""
