"""Answers remembered by what was looked at to find them.

A function of a data set that reads five elements gives the same answer for every data set in which these five are the
same. So the elements it reads are recorded, and its answer is kept under their bytes: whatever the gate or the stamp will
read tomorrow, nothing here has to know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag

Answer = TypeVar("Answer")
_MAX_KINDS, _MAX_ANSWERS = 8, 256


class Watched(dict[BaseTag, Any]):
    """Elements by tag, for a pydicom data set, each parsed when it is asked for.

    `seen` are the tags that were asked for, `all_seen` whether all were gone through; both may be set back.
    """

    def __init__(self, raws: Mapping[int, bytes], parse: Callable[[int, bytes], Any]) -> None:
        super().__init__()
        self._raws = raws
        self._parse = parse
        self._gone: set[int] = set()
        self.forget()

    def forget(self) -> None:
        """Begin a new record of what is seen."""
        self.seen: set[int] = set()
        self.all_seen = False

    def changes(self) -> Iterator[tuple[int, Any]]:
        """What was put in or converted since the beginning, by tag, and None for what was taken out."""
        yield from ((tag, None) for tag in self._gone if tag in self._raws and not super(Watched, self).__contains__(tag))
        yield from ((int(tag), now) for tag, now in super().items() if not isinstance(now, RawDataElement))

    def __missing__(self, tag: BaseTag) -> Any:
        if tag in self._gone or tag not in self._raws:
            raise KeyError(tag)
        element = self._parse(tag, self._raws[tag])
        super().__setitem__(tag, element)
        return element

    def __getitem__(self, tag: BaseTag) -> Any:
        self.seen.add(int(tag))
        return super().__getitem__(tag)

    def __contains__(self, tag: object) -> bool:
        self.seen.add(int(tag))  # type: ignore[call-overload]
        return super().__contains__(tag) or (tag in self._raws and tag not in self._gone)

    def get(self, tag: BaseTag, default: Any = None) -> Any:
        """As in dict."""
        try:
            return self[tag]
        except KeyError:
            return default

    def pop(self, tag: BaseTag, *default: Any) -> Any:
        """As in dict."""
        found = self.get(tag, *default) if default else self[tag]
        super().pop(tag, None)
        self._gone.add(int(tag))
        return found

    def __delitem__(self, tag: BaseTag) -> None:
        self.pop(tag)

    def __iter__(self) -> Iterator[BaseTag]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def keys(self) -> Any:
        """As in dict, in order; everything counts as seen."""
        self.all_seen = True
        own = {BaseTag(tag) for tag in self._raws if tag not in self._gone}
        return dict.fromkeys(sorted(own.union(super().keys()))).keys()

    def values(self) -> Any:
        """As in dict."""
        return [self[tag] for tag in self.keys()]

    def items(self) -> Any:
        """As in dict."""
        return [(tag, self[tag]) for tag in self.keys()]


class Remembered(Generic[Answer]):
    """Answers of one function, by what it looked at. Bounded."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], dict[tuple[bytes | None, ...], Answer]] = {}

    def find(self, bytes_at: Callable[[int], bytes | None]) -> Answer | None:
        """The answer for a data set whose elements `bytes_at` gives by tag; None when it is not known."""
        found = self.found(bytes_at)
        return None if found is None else found[1]

    def found(self, bytes_at: Callable[[int], bytes | None]) -> tuple[tuple[int, ...], Answer] | None:
        """The same with the tags that the answer rests on."""
        for tags, answers in self._known.items():
            answer = answers.get(tuple(map(bytes_at, tags)))
            if answer is not None:
                return tags, answer
        return None

    def keep(self, watched: Watched, bytes_at: Callable[[int], bytes | None], answer: Answer) -> None:
        """Remember an answer, unless it rests on the whole data set."""
        tags = tuple(sorted(watched.seen))
        if watched.all_seen or (tags not in self._known and len(self._known) >= _MAX_KINDS):
            return
        answers = self._known.setdefault(tags, {})
        if len(answers) >= _MAX_ANSWERS:
            answers.clear()
        answers[tuple(map(bytes_at, tags))] = answer
