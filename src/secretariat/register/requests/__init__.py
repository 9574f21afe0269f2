"""Requests between parties: asked, answered, declined, passed on, silent; and who is to be reached."""
