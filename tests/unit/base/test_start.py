"""A command that asks little answers at once: what is heavy is read by the commands that use it."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("alembic", "cryptography", "jinja2", "litestar", "psycopg", "sqlalchemy")


def test_the_command_line_reads_nothing_heavy_before_it_knows_what_is_asked() -> None:
    asked = f"import sys, secretariat.cli; print([one for one in {HEAVY} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_database_that_is_up_to_date_is_opened_without_alembic() -> None:
    asked = "import sys, secretariat.storage.opening as it; it.heads(); print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
