"""Settings: one file, nothing unknown in it, every setting documented."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from secretariat.base.errors import InputError, NotFoundError
from secretariat.base.settings import Limits, NodeSettings, described, read, write

ROOT = Path(__file__).parents[3]


def test_saved_settings_are_read_back_equal(tmp_path: Path) -> None:
    """What is written can be read, hostile names included, and only its owner may read it."""
    settings = NodeSettings(
        party="JP",
        name='"Japan" \\ 日本\n\x7f',
        ceiling={"jp-levels": "secret"},
        limits=Limits(max_depth=7),
        data=tmp_path.resolve(),
    )
    settings.save()
    assert NodeSettings.load(tmp_path) == settings
    assert (tmp_path / "node.toml").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('party = "JP"\nname = "x"\ncolour = 1', "colour"),
        ('party = "JP"\nname = "x"\n[limits]\nmax_dept = 1', "max_dept"),
        ('party = "JP"\nname = "x"\n[limits]\nmax_depth = 0', "$.limits.max_depth"),
        ('party = "jp"\nname = "x"', "$.party"),
        ('party = "JP"\nname = "x"\ndefault_tlp = "WHITE"', "$.default_tlp"),
        ('party = "JP"\nname = "x"\ndata = "/"', "--data"),
        ("party = JP", "line 1"),
    ],
    ids=["unknown", "unknown-limit", "limit-zero", "small-code", "unknown-tlp", "data", "not-toml"],
)
def test_wrong_settings_are_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        read(text)
    assert said in str(refused.value)


def test_folder_without_node(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="secretariat init"):
        NodeSettings.load(tmp_path)


def test_environment_names_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    NodeSettings(party="JP", name="Japan", data=tmp_path).save()
    monkeypatch.setenv("SECRETARIAT_DATABASE_URL", "postgresql://db/x")
    assert NodeSettings.load(tmp_path).database_url == "postgresql://db/x"


def test_every_setting_is_documented() -> None:
    """docs/settings.md has one row per setting, with its default and its meaning."""
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    for struct in (NodeSettings, Limits):
        for name, meaning, default in described(struct):
            if name in {"limits", "data"}:
                continue
            assert f"| `{name}` |" in page, f"docs/settings.md does not list {name}"
            assert meaning in page, f"docs/settings.md says something else about {name}"
            if isinstance(default, str | int):
                assert f"| `{name}` | {msgspec.json.encode(default).decode()} |" in page, name
    listed = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    known = {name for struct in (NodeSettings, Limits) for name, _, _ in described(struct)}
    assert listed <= known, f"docs/settings.md lists what does not exist: {listed - known}"


def test_comments_in_the_file_name_every_limit() -> None:
    text = write(NodeSettings(party="JP", name="Japan"))
    for name, meaning, _ in described(Limits):
        assert f"# {meaning}\n# {name} = " in text


def test_every_setting_does_something() -> None:
    """A setting that no code reads is a promise not kept."""
    code = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py") if path.name != "settings.py")
    code += re.sub(r"\n    (def|class) .*", "", (ROOT / "src/secretariat/base/settings.py").read_text())
    names = [name for struct in (NodeSettings, Limits) for name, _, _ in described(struct)]
    assert [name for name in names if not re.search(rf"(settings|limits|self)\.{name}\b", code)] == []
