"""What every page shares: guard, origin check, as-of bar, words, errors, live events, tables and charts."""
