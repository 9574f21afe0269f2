"""The brief for a meeting: what was promised last time, what came of it, what is open, what overlaps."""
