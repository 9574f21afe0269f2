"""The Register: what was agreed, what moves, what is silent, what is done twice."""
