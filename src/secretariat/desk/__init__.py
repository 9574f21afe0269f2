"""The pages that read all parts: Desk, Reports, Admin's partners; and the left rail."""
