"""`python -m secretariat` is the command `secretariat`."""

from secretariat.cli import main

main()
