"""drift.py tells what a new version of a vendor's package brings to the wire."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest

from tests.official import drift

OLD = """
/** A message; { braces } in comments do not count. */
export interface Message {
  id?: number; // was a number
  text: string,
  state:
    | "new"
    | "done";
  when?: (at: number) => void;
  nested?: { a: string; b?: number };
  old_field?: string;
}
export const Kind = { TEXT: 1, IMAGE: 2 } as const;
export declare enum Event { Enter = "enter_chat" }
const url = "https://example.com/not-a-comment";
await post(`ilink/bot/getupdates?x=${1}`);
"""
NEW = (
    OLD.replace("id?: number", "id?: string")
    .replace('| "done"', '| "done"\n    | "gone"')
    .replace("  old_field?: string;\n", "  new_field: Array<{ x: string }>;\n")
    .replace("IMAGE: 2", "IMAGE: 2,\n  VOICE: 3")
    .replace('"enter_chat"', '"enter_chat", Leave = "leave_chat"')
    + 'interface Extra<T> extends Message { more?: T }\nconst cmd = "aibot_new_cmd"; f("ilink/bot/msg/notifystart");'
)
EXPECTED = """\
new      Event.Leave: "leave_chat"
new      Extra.more?: T
new      Kind.VOICE: 3
new      Message.new_field: Array<{ x: string }>
new      call aibot_new_cmd
new      call ilink/bot/msg/notifystart
new      interface Extra
gone     Message.old_field?
changed  Message.id?: number -> string
changed  Message.state: "new" | "done" -> "new" | "done" | "gone"
"""

Package = Callable[[str, str], str]


@pytest.fixture
def package(tmp_path: Path) -> Package:
    def made(name: str, source: str) -> str:
        (tmp_path / name / "src" / "api").mkdir(parents=True)
        (tmp_path / name / "package.json").write_text("{}")
        (tmp_path / name / "src" / "api" / "types.ts").write_text(source)
        return str(tmp_path / name)

    return made


def test_fields_values_commands_and_types_that_differ_are_told(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drift.main([package("old", OLD), package("new", NEW)]) == 1
    assert capsys.readouterr().out == EXPECTED


def test_two_equal_versions_bring_nothing_new(package: Package, capsys: pytest.CaptureFixture[str]) -> None:
    assert drift.main([package("old", OLD), package("new", OLD)]) == 0
    assert capsys.readouterr().out == "nothing new\n"


def test_what_is_no_package_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no package\.json"):
        drift.main([str(tmp_path), str(tmp_path)])


def test_both_packages_of_the_vendors_are_read(clients_root: Path) -> None:
    modules = clients_root / "node_modules"
    ilink = drift.facts(modules / "@tencent-weixin" / "openclaw-weixin")
    aibot = drift.facts(modules / "@wecom" / "aibot-node-sdk")
    assert ilink["MessageItemType.TOOL_CALL_RESULT"] == "12"
    assert ilink["RefMessage.svr_id?"] == "string"
    assert "call ilink/bot/msg/notifystart" in ilink
    assert aibot["EventType.FeedbackEvent"] == '"feedback_event"'
    assert aibot["WsFrame.errcode?"] == "number"
    assert "TemplateCard.task_id?" in aibot
    assert min(len(ilink), len(aibot)) > 150
