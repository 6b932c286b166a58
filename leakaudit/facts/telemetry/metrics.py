"""Metrics with labels: where they are declared, and what their labels are given; Prometheus clients and OpenTelemetry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from leakaudit.facts.answers import Answer, words
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Call
from leakaudit.facts.project import Project

_METRICS = ("Counter", "Gauge", "Histogram", "Summary", "Info", "Enum")
_INSTRUMENTS = ("create_counter", "create_histogram", "create_up_down_counter", "create_gauge")
_NAME_KEYWORDS = ("labelnames", "labels", "label_names", "tag_keys")
#: Words that end the names of labels with a value per caller, request or error text.
_OPEN_WORDS = frozenset(
    "path url uri href querystring sql traceback ip addr address user username userid uid email phone login session sessionid token cookie "
    "uuid guid nonce entity sender recipient customer account referrer referer useragent".split()
)
#: Whose ids are new for every caller or event; the ids of applications, providers, nodes are not.
_OWNERS_OF_IDS = frozenset(
    "user session request req client device room message msg trace span correlation order customer account transaction txn connection conn "
    "visitor person member player chat thread event invoice payment ticket document doc file object entity item product job task run "
    "execution process container pod".split()
)
#: Words of values that come from routes, types, settings: as many as the program has.
_CLOSED_WORDS = frozenset(
    "route template pattern rule endpoint view handler resource method verb status code type kind class cls level mode state operation "
    "enum config settings const version name stage phase outcome result category bucket service region env environment".split()
)
#: Tags of what a request brings.
_REQUEST = re.compile(
    r"^attr:(\w+\.)*(req|request|environ|scope|conn|connection|websocket|flask\.request)\."
    r"(\w+\.)*(path|path_info|full_path|raw_path|url|uri|rel_url|base_url|query_string|host|remote_addr|remote|remote_ip|peername|user|username|"
    r"user_agent|headers|client|args|data|body)$|^item:'(path|raw_path|PATH_INFO|REQUEST_URI|REMOTE_ADDR|client|QUERY_STRING|User-Agent)'$"
    r"|^call:(\w+\.)*(get_full_path|build_absolute_uri|get_remote_ip)$"
)
_FRESH_CALL = re.compile(
    r"^call:(\w+\.)*(uuid\d?|token_hex|token_urlsafe|time|monotonic|now|utcnow|format_exc|get_ident)$"
)
_MAPPED = re.compile(
    r"^const:'\W*(other|others|unknown|misc|else|default|overflow|redacted|unmatched|not_?found|invalid)\W*'$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Label:
    """One label: its name, what it is given (origins; empty when no use was seen), and where."""

    name: str
    origins: tuple[str, ...] = ()
    path: str = ""
    call: Call | None = None


@dataclass(slots=True)
class Metric:
    """A declared metric (or one that is only seen in use) with its labels and their values."""

    path: str
    call: Call
    owner: str
    names: tuple[str, ...]
    labels: list[Label] = field(default_factory=list)


def metrics(project: Project) -> list[Metric]:
    """Return the metrics that have labels, with every `.labels(...)` of theirs."""
    found: dict[Place, Metric] = {}
    for path, call in _declarations(project):
        verb, _, owner = call.usage.partition(":")
        names = _names(call)
        if (
            (names is not None or call.callee.endswith(_INSTRUMENTS))
            and verb in ("name", "store")
            and owner[:2] in ("m:", "i:", "c:")
        ):
            found.setdefault(Place(path, owner), Metric(path, call, owner, names or ()))
    by_name: dict[str, list[Metric]] = {}
    for declared in found.values():
        by_name.setdefault(_last(declared.owner), []).append(declared)
    for path, call in project.calls("labels", "add", "record"):
        receiver = call.callee.rpartition(".")[0]
        metric = _declared(project, found, by_name, path, receiver)
        if metric is None and call.callee.endswith(".labels"):
            metric = found.setdefault(
                Place(path, receiver), Metric(path, call, receiver, ())
            )  # declared elsewhere
        if metric is not None:
            metric.labels.extend(_labels(metric, path, call))
    return list(found.values())


def _declarations(project: Project) -> Iterator[tuple[str, Call]]:
    yield from project.calls(*_METRICS, *_INSTRUMENTS)
    own = {name.rpartition(".")[2] for name in project.tables.metrics}
    for path, call in project.calls(*(own - {*_METRICS, *_INSTRUMENTS})):
        if project.tables.is_metric(call.callee):
            yield path, call


def _names(call: Call) -> tuple[str, ...] | None:
    """The label names of a declaration, "" for those that are no literals; None when it declares no labels."""
    if call.callee.startswith("x:collections"):
        return None
    given = dict(call.keywords)
    text = next((given[k] for k in _NAME_KEYWORDS if k in given), call.args[2] if len(call.args) > 2 else "")
    if not text:
        return None
    if not text.startswith(("literal:", "const:")):
        return ()
    return tuple(
        _unquote(tag) if tag.startswith("const:'") else ""
        for tag in text.split("|")
        if not tag.startswith("literal:")
    )


def _declared(
    project: Project, found: dict[Place, Metric], by_name: dict[str, list[Metric]], path: str, receiver: str
) -> Metric | None:
    metric = found.get(Place(path, receiver))
    if metric is not None:
        return metric
    if receiver.startswith("x:"):
        located = project.modules.locate(receiver[2:], path)
        metric = found.get(Place(located[0], f"m:{located[1]}")) if located is not None else None
        if metric is not None:
            return metric
    same = by_name.get(_last(receiver), [])
    return same[0] if len(same) == 1 else None


def _labels(metric: Metric, path: str, call: Call) -> Iterator[Label]:
    if not call.callee.endswith("labels"):
        yield from _attributes(path, call)
        return
    for position, text in enumerate(call.args):
        name = metric.names[position] if position < len(metric.names) else f"#{position + 1}"
        if name:
            yield Label(name, tuple(text.split("|")), path, call)
    for keyword, text in call.keywords:
        if keyword != "**":
            yield Label(keyword, tuple(text.split("|")), path, call)


def _attributes(path: str, call: Call) -> Iterator[Label]:
    """OpenTelemetry: `counter.add(1, {"key": value})`; which value belongs to which key is known only for one key."""
    text = dict(call.keywords).get("attributes", call.args[1] if len(call.args) > 1 else "")
    tags = tuple(text.split("|"))
    keys = [_unquote(tag) for tag in tags if tag.startswith("const:'")]
    values = tuple(tag for tag in tags if not tag.startswith(("const:'", "literal:")))
    for key in keys:
        if len(keys) == 1 or judge(Label(key)).value == "open":
            yield Label(key, values, path, call)


def judge(label: Label) -> Answer:
    """Return how many values a label takes: `fresh` (proven), `open` (by its name), `unknown` or `closed`."""
    origins = label.origins
    mapped = any(_MAPPED.match(tag) for tag in origins)
    for tag in origins:
        part = any(other.startswith(f"{tag}.") for other in origins)  # `request.url` of `request.url.scheme`
        reason = _fresh(tag)
        if (
            reason
            and not part
            and not mapped
            and not (tag.startswith("except") and origins[0].startswith("attr:"))
        ):
            return Answer("fresh", f"`{label.name}` is given {reason}")
    if origins and _is_closed(origins):
        return Answer("closed", f"`{label.name}` is given one of a fixed set")
    if _is_open(label.name):
        return Answer("open", f"`{label.name}` is named like something with a value per caller or request")
    if origins and _is_open(_text(origins[0])) and not any(tag.startswith("const:") for tag in origins):
        return Answer("open", f"`{label.name}` is given `{_text(origins[0])}`")
    return Answer("unknown", f"nothing tells how many values `{label.name}` has")


def _is_open(name: str) -> bool:
    parts = words(name.replace(".", "_"))
    if not parts or set(parts) & {"template", "pattern", "route", "type", "class", "kind", "code"}:
        return False
    if parts[-1] in ("id", "ids"):
        return len(parts) == 1 or parts[-2] in _OWNERS_OF_IDS
    return parts[-1] in _OPEN_WORDS


def _fresh(tag: str) -> str:
    if tag.startswith("except"):
        return "the text of an exception"
    if tag == "id":
        return "an `id()`"
    if _REQUEST.search(tag):
        return f"`{_text(tag)}`, which the request brings"
    if _FRESH_CALL.match(tag):
        return f"`{_text(tag)}()`, new every time"
    return ""


def _is_closed(origins: tuple[str, ...]) -> bool:
    """Constants, classes and their names, routes, settings, a value that was mapped to `other` first."""
    if any(_MAPPED.match(tag) or tag in ("type", "call:type") for tag in origins):
        return True
    solid = [t for t in origins if not t.startswith(("local:", "literal:"))]
    if solid and all(t.startswith("const:") for t in solid):
        return True
    first = next((t for t in solid if not t.startswith(("const:", "bound:"))), "")
    parts = words(_text(first).rpartition(".")[2])
    named = [words(_text(t).rpartition(".")[2]) for t in origins if t.startswith("local:")]
    return any(
        (p and p[-1] in _CLOSED_WORDS) or set(p) & {"template", "route", "pattern", "rule"}
        for p in (parts, *named)
    )


def _text(tag: str) -> str:
    return tag.partition(":")[2].partition(":")[0]


def _unquote(tag: str) -> str:
    return tag[len("const:") :].strip("'\"")


def _last(owner: str) -> str:
    return owner.replace(":", ".").rpartition(".")[2]
