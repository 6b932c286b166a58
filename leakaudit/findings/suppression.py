"""Comments that silence findings: `# leakaudit: ignore[LA101] reason`, ignore-file, bounded=reason, and noqa: LA101."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from leakaudit.findings.model import Finding, Location, Suppression

_DIRECTIVE = re.compile(r"#\s*leakaudit\s*:\s*(?P<text>[^#]*)", re.IGNORECASE)
_NOQA = re.compile(r"#\s*noqa\s*:\s*(?P<codes>[A-Z]+\d+(?:[\s,]+[A-Z]+\d+)*)(?P<reason>[^#]*)", re.IGNORECASE)
_IGNORE = re.compile(r"(?P<verb>ignore(?:-file)?)\s*(?:\[(?P<codes>[^\]]*)\])?(?P<reason>.*)", re.DOTALL)
_BOUNDED = re.compile(r"bounded\s*=\s*(?P<reason>.*)", re.DOTALL)
_MAY_CONCERN_US = re.compile(r"#\s*(?:leakaudit\s*:|noqa\s*:[^\n]*\bLA\d)", re.IGNORECASE)
_SILENT = (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)


@dataclass(frozen=True, slots=True)
class Comment:
    """One directive: `verb` is ignore, ignore-file, bounded or noqa, or "" if `problem` says why it is not understood.

    `codes` are rule codes and names, () means every rule. `first` to `last` are the lines of the statement that it
    speaks of: the one it stands in, or the next one if it stands alone.
    """

    line: int
    verb: str
    codes: tuple[str, ...] = ()
    reason: str = ""
    first: int = 0
    last: int = 0
    problem: str = ""

    def names(self, finding: Finding) -> bool:
        """Tell whether the comment names the finding's rule, or every rule."""
        return not self.codes or finding.rule in self.codes or finding.name in self.codes


@dataclass(frozen=True, slots=True)
class Applied:
    """The findings with `suppressed` set where a comment silences them, and the comments that silenced nothing."""

    findings: tuple[Finding, ...]
    unused: tuple[tuple[str, Comment], ...]


def parse(text: str) -> tuple[Comment, ...]:
    """Return the directives in a file's comments. Only text that may hold one is tokenized."""
    if not _MAY_CONCERN_US.search(text):
        return ()
    return tuple(
        replace(directive, line=line, first=first, last=last)
        for comment, line, first, last in _comments(text)
        for directive in _directives(comment)
    )


def apply(findings: Iterable[Finding], comments: Mapping[str, Sequence[Comment]]) -> Applied:
    """Suppress what the comments of each file (by path) silence."""
    used: set[tuple[str, Comment]] = set()
    result: list[Finding] = []
    for finding in findings:
        silencer = next(_silencers(finding, comments), None)
        if silencer is None:
            result.append(finding)
            continue
        used.update(_silencers(finding, comments))
        path, comment = silencer
        why = Suppression("comment", comment.reason, Location(path, comment.line))
        result.append(replace(finding, suppressed=why))
    everything = ((path, comment) for path in sorted(comments) for comment in comments[path])
    return Applied(tuple(result), tuple(item for item in everything if item not in used))


def complaints(
    unused: Iterable[tuple[str, Comment]], known: Collection[str], ran: Collection[str]
) -> tuple[str, ...]:
    """Say of each comment that silenced nothing what is wrong with it.

    `known` are the codes and names of all rules, `ran` those of the rules that ran: a comment for another rule may
    still have its use.
    """
    notes: list[str] = []
    for path, comment in unused:
        unknown = [code for code in comment.codes if code not in known]
        if comment.problem:
            problem = comment.problem
        elif unknown and comment.verb != "noqa":
            problem = f"`{comment.verb}` names no known rule: {', '.join(unknown)}"
        elif all(code in ran for code in comment.codes if code in known) and (comment.codes or known == ran):
            codes = f"[{', '.join(comment.codes)}]" if comment.codes else ""
            problem = f"unused suppression `{comment.verb}{codes}`: nothing to silence here"
        else:
            continue
        notes.append(f"{path}:{comment.line}: {problem}")
    return tuple(notes)


def _silencers(finding: Finding, comments: Mapping[str, Sequence[Comment]]) -> Iterator[tuple[str, Comment]]:
    primary = finding.location
    for comment in comments.get(primary.path, ()):
        if comment.names(finding) and (comment.verb == "ignore-file" or _speaks_of(comment, primary)):
            yield primary.path, comment
    for related in finding.related:
        place = related.location
        for comment in comments.get(place.path, ()):
            declares = related.message.startswith("created")
            if (
                comment.names(finding)
                and _speaks_of(comment, place)
                and (declares or comment.verb != "bounded")
            ):
                yield place.path, comment


def _speaks_of(comment: Comment, place: Location) -> bool:
    if comment.verb not in {"ignore", "noqa", "bounded"}:
        return False
    return comment.first <= (place.end_line or place.line) and place.line <= comment.last


def _directives(comment: str) -> Iterator[Comment]:
    for match in _DIRECTIVE.finditer(comment):
        yield _directive(match["text"].strip())
    for match in _NOQA.finditer(comment):
        codes = tuple(code.upper() for code in re.split(r"[\s,]+", match["codes"]))
        if any(code.startswith("LA") for code in codes):
            ours = tuple(code for code in codes if re.fullmatch(r"LA\d+", code))
            yield Comment(0, "noqa", ours, _reason(match["reason"]))


def _directive(text: str) -> Comment:
    if match := _BOUNDED.match(text):
        reason = _reason(match["reason"])
        problem = "" if reason else "`bounded=` lacks its reason: what keeps the container from growing?"
        return Comment(0, "" if problem else "bounded", (), reason, problem=problem)
    match = _IGNORE.match(text)
    if match is None:
        return Comment(
            0, "", problem=f"not understood: `{text}`; ignore[...], ignore-file[...] or bounded=reason?"
        )
    listed, reason = match["codes"], match["reason"]
    codes = tuple(_code(part) for part in (listed or "").split(",") if part.strip())
    if (listed is not None and not codes) or reason.startswith("["):
        return Comment(0, "", problem=f"not understood: `{text}`; the brackets hold rule codes or names")
    return Comment(0, match["verb"], codes, _reason(reason))


def _code(text: str) -> str:
    text = text.strip()
    return text.upper() if re.fullmatch(r"[A-Za-z]+\d+", text) else text.lower().replace("_", "-")


def _reason(text: str) -> str:
    return text.strip().lstrip("-:\N{EN DASH}\N{EM DASH}").strip()


def _comments(text: str) -> Iterator[tuple[str, int, int, int]]:
    """Yield each comment with its line and the lines of its statement; a decorator belongs to what it decorates."""
    pending: list[tuple[str, int]] = []
    start, at_line_start, decorator = 0, True, False
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline=None).readline):
            line = token.start[0]
            if token.type == tokenize.COMMENT:
                pending.append((token.string, line))
            elif token.type == tokenize.NEWLINE:
                at_line_start = True
                if not decorator:
                    yield from ((comment, at, start or at, line) for comment, at in pending)
                    pending, start = [], 0
            elif at_line_start and token.type not in _SILENT:
                at_line_start, decorator = False, token.string == "@"
                start = start or line
    except (tokenize.TokenError, SyntaxError):
        pass  # the parser reports such a file
    yield from ((comment, at, at, at) for comment, at in pending)
