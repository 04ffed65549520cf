"""The demo's report as a reader's software sees it: elements with their attributes and text, and the bills in them.

HTML lets many end tags out, and the page uses that to stay small; what ends what is the few rules below.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input"}
ENDS = {
    "dt": {"dt", "dd"}, "dd": {"dt", "dd"}, "li": {"li"}, "p": {"p"}, "td": {"td", "th"}, "th": {"td", "th"},
    "tr": {"td", "th", "tr"}, "tbody": {"td", "th", "tr", "thead"}, "tfoot": {"td", "th", "tr", "tbody"},
    "thead": {"caption"}, "table": {"p"}, "dl": {"p"}, "ul": {"p"}, "h3": {"p"}, "figure": {"p"}, "details": {"p"},
}  # fmt: skip


@dataclass
class Element:
    """One element: what it holds is text and elements, in order."""

    tag: str
    attributes: dict[str, str]
    content: list[str | Element] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(part if isinstance(part, str) else part.text for part in self.content)

    def all(self, tag: str) -> list[Element]:
        """Every element of this tag inside, at any depth."""
        found: list[Element] = []
        for part in self.content:
            if isinstance(part, Element):
                found += [part] * (part.tag == tag) + part.all(tag)
        return found


class Page(HTMLParser):
    """A parsed page; ``root`` holds everything. Asserts that every end tag ends something that is open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = Element("", {})
        self._open = [self.root]
        self.feed(text)
        self.close()
        assert [one.tag for one in self._open] == [""], "something is not ended"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        while self._open[-1].tag in ENDS.get(tag, set()):
            self._open.pop()
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].content.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].content.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        while self._open[-1].tag != tag:
            assert self._open[-1].tag in ENDS, f"</{tag}> comes while {self._open[-1].tag} is open"
            self._open.pop()
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].content.append(data)


def bills(text: str) -> dict[str, Element]:
    """Each household's table by the household's name."""
    tables = [table for table in Page(text).root.all("table") if table.attributes.get("class") == "bill"]
    return {table.all("caption")[0].text.removeprefix("Bill of "): table for table in tables}


def bills_shown(text: str) -> dict[str, int]:
    """Each household's total in cents, as its bill shows it."""
    return {name: in_cents(table.all("tfoot")[0].all("td")[0].text) for name, table in bills(text).items()}


def in_cents(amount: str) -> int:
    return int(amount.replace("\N{MINUS SIGN}", "-").replace(",", "").replace(".", ""))
