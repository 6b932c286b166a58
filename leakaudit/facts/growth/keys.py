"""From what set do the keys come: a finite one, a fresh one per event, or is that unknown?"""

from __future__ import annotations

import re

from leakaudit.facts.answers import Answer, words
from leakaudit.facts.model import Event
from leakaudit.facts.tables import FINITE_WORDS, FRESH_WORDS, LIKELY_FRESH_WORDS, POPULATION_WORDS

_FRESH_CALLS = re.compile(
    r"(^|\.)(uuid\d?|uuid[1345]|time|time_ns|monotonic|perf_counter|now|utcnow|today|token_hex|token_urlsafe|random|randint|getrandbits|get_ident|"
    r"current_thread|current_task|current_process|getpid|urandom|new_id|generate_id|make_id|gen_id|object|getcurrent|get_current|mktemp|mkstemp|mkdtemp|"
    r"randrange|choice|ulid|ksuid|nanoid|get_native_id|getpeername|peername|get_loop|get_running_loop|get_event_loop)$"
)
_FINITE_ANNOTATION = re.compile(
    r"^(typing\.)?(Literal\[|bool\b|type\b|Type\b|type\[|Type\[)|Enum\b|Type\b$|Kind\b$|Level\b$|Mode\b$|Status\b$|State\b$"
)
#: Names of what a program defines, so that there is only so much of it.
_CODE = frozenset(
    "func function fn cls klass class type typ module mod code endpoint view route tool schema mapper signature database component "
    "plugin handler".split()
)
#: An event itself is hardly ever a key.
_NAMES_OF_EVENTS = frozenset({"event", "events", "evt"})
_IDENTITY_CALLS = frozenset(
    "get_ident get_native_id getcurrent current_thread current_task currentThread current_greenlet".split()
)
#: What is another object each time, so that a list or set of them never meets the same one twice.
_NEW_OBJECTS = (
    "closure:",
    "lambda",
    "new:",
    "param:handler",
    "param:callback",
    "param:listener",
    "param:fn",
    "param:func",
    "param:cb",
)
_APPENDS = ("append", "appendleft", "insert", "extend", "put", "put_nowait")
_CONFIG_WORDS = frozenset(
    "config settings conf cfg environ options entry_points ENV registry plugins builtins sys".split()
)


def is_finite_annotation(text: str) -> bool:
    """Tell whether an annotation names a finite set: Literal, bool, a class itself, something called an enum."""
    return _FINITE_ANNOTATION.search(text) is not None


def domain(event: Event, sequence: bool, mapping: bool = False) -> Answer:
    """Return the domain of what an event adds: `finite`, `fresh` or `unknown`.

    `sequence` says that the container does not deduplicate (list, deque, queue), so that every addition counts.
    """
    if sequence and event.depth == 0:
        return Answer("likely-fresh", "every call adds one more entry")
    if event.depth and event.method in _APPENDS:
        new = bool(event.value_origins) and event.value_origins[0].startswith(_NEW_OBJECTS)
        of_key = _domain(event.key, event.key_origins) if event.key else None
        if of_key is not None and of_key.value in ("fresh", "identity"):
            return of_key
        return Answer(
            "fresh" if new else "likely-fresh", "every call adds one more entry to the list of its key"
        )
    if event.depth and event.method in ("add", "update"):
        return _domain(event.value, event.value_origins)
    own = event.owner.rpartition(".")[2].rpartition(":")[2]
    walked = next(
        (t for t in event.key_origins if t.startswith("loop:") and re.search(rf"\b{re.escape(own)}\b", t)),
        None,
    )
    if walked is not None:
        return Answer("finite", f"the key `{event.key}` runs over the container's own keys")
    if event.key in _NAMES_OF_EVENTS:
        return Answer("likely-finite", f"the key `{event.key}` is the name of an event: as many as there are")
    if event.key:
        return _domain(event.key, event.key_origins)
    if event.method in ("update", "|=") and mapping:
        return Answer("unknown", f"nothing tells which keys `{event.value}` brings")
    return _domain(event.value, event.value_origins)


#: `Color.RED.value`, a member of what is most often an enum.
_MEMBER = re.compile(r"^(\w+\.)?[A-Z]\w*[a-z]\w*\.\w+\.(value|name)$")


def _domain(text: str, tags: tuple[str, ...]) -> Answer:
    if not tags:
        return Answer("unknown", "nothing tells what it is keyed by")
    found = [_tag(tag) for tag in tags]
    fresh = [t for t in found if t == "fresh"]
    if any(tag == "id" for tag in tags):
        code = next((tag for tag in tags if _is_code(tag)), "")
        if code:
            return Answer(
                "likely-finite", f"the key `{text}` is the `id()` of code: as much as the program has"
            )
        return Answer("identity", f"the key `{text}` holds an `id()`, new for every object")
    solid = [tag for tag in tags if not tag.startswith("local:")]
    if tags[0] == "type" or (
        solid and all(tag == "type" or tag.startswith(("class:", "function:")) for tag in solid)
    ):
        return Answer(
            "finite", f"the key `{text}` is a class, a function or its name: as many as the program has"
        )
    if text.isupper() or text.rpartition(".")[2].isupper() or _MEMBER.match(text):
        return Answer("finite", f"the key `{text}` is named like a constant")
    if all(tag.startswith("const:") for tag in tags):
        return Answer("finite", f"the key `{text}` is a constant")
    for tag in tags:
        if tag.startswith("param:") and _FINITE_ANNOTATION.search(tag.rpartition(":")[2]):
            return Answer("finite", f"the key `{text}` is annotated `{tag.rpartition(':')[2]}`: a finite set")
        if tag.startswith("loop:") and _is_constant_loop(tag[5:]):
            return Answer("finite", f"the key `{text}` runs over `{tag[5:]}`: a finite set")
    if any(_FRESH_CALLS.search(tag.partition(":")[2]) for tag in tags if tag.startswith("call:")):
        call = next(
            tag.partition(":")[2]
            for tag in tags
            if tag.startswith("call:") and _FRESH_CALLS.search(tag.partition(":")[2])
        )
        identity = call.rpartition(".")[2] in _IDENTITY_CALLS
        return Answer(
            "identity" if identity else "fresh", f"the key `{text}` comes from `{call}()`, new every time"
        )
    if any(tag == "self" for tag in tags[:1]):
        return Answer("fresh", f"the key `{text}` is the instance itself")
    if any(tag.startswith("new:") for tag in tags[:2]):
        return Answer("fresh", f"`{text}` is made anew each time")
    by_name = _by_words(text, tags)
    if by_name is not None:
        return by_name
    if fresh or any(tag == "fstr" for tag in tags):
        return Answer("likely-fresh", f"the key `{text}` is put together from what the caller passes")
    return Answer("unknown", f"nothing tells how many different `{text}` there are")


def _is_code(tag: str) -> bool:
    """Whether an origin is a class, a function or a module, or is named like one."""
    verb, _, rest = tag.partition(":")
    if verb in ("class", "function", "type"):
        return True
    name = rest.partition(":")[0]
    named = words(name.removesuffix("_id"))[-1:] if verb in ("param", "local") else words(name)
    return verb in ("param", "attr", "local") and bool(_CODE & set(named))


def _tag(tag: str) -> str:
    return "fresh" if tag in ("id", "except", "except-text") or tag.startswith("call:repr") else ""


def _is_constant_loop(text: str) -> bool:
    return (
        text.startswith(("range(", "(", "[", "{"))
        or text.isupper()
        or text.endswith(("_TYPES", "_NAMES", "FIELDS"))
    )


def _by_words(text: str, tags: tuple[str, ...]) -> Answer | None:
    """Judge by the words of the names that the key is made of; the last word of a name counts."""
    names = [
        text,
        *(
            tag.split(":")[1]
            for tag in tags
            if tag.startswith(("param:", "attr:", "local:", "loop:", "elem:"))
        ),
    ]
    own = words(text.partition("(")[0] or text)
    if len(own) > 1 and own[-1] in ("id", "ids") and own[-2] in POPULATION_WORDS:
        return Answer(
            "population", f"the key `{text}` names one of a population that is seldom large (`{own[-2]}`)"
        )
    if len(own) > 1 and own[-1] in ("id", "ids") and own[-2] in _CODE:
        return Answer("likely-finite", f"the key `{text}` names a part of the program (`{own[-2]}`)")
    if own and own[-1] in FRESH_WORDS:
        return Answer("fresh", f"the key `{text}` is named like something new for every caller (`{own[-1]}`)")
    config = next((n for n in names if set(words(n)) & _CONFIG_WORDS), None)
    if config is not None:
        return Answer("likely-finite", f"the key `{text}` comes from configuration (`{config}`)")
    if own and own[-1] in FINITE_WORDS:
        return Answer("likely-finite", f"the key `{text}` is named like one of a small set (`{own[-1]}`)")
    for name in names:
        parts = words(name.partition("(")[0] or name)
        if parts and parts[-1] in FRESH_WORDS:
            return Answer(
                "likely-fresh", f"the key `{text}` is made of something new for every caller (`{parts[-1]}`)"
            )
    if own and own[-1] in LIKELY_FRESH_WORDS:
        return Answer("likely-fresh", f"the key `{text}` may well be new for every caller (`{own[-1]}`)")
    for name in names:
        parts = words(name.partition("(")[0] or name)
        if parts and parts[-1] in FINITE_WORDS:
            return Answer(
                "likely-finite", f"the key `{text}` is named like one of a small set (`{parts[-1]}`)"
            )
    return None
