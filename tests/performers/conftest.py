from world import computes, world

__all__ = ["computes", "world"]
