"""Records: STIX 2.1 objects and our own, read strictly, kept in one canonical form."""
