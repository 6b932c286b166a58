"""Facts of one file: plain data, cached by content, the only thing that travels between processes.

An *owner* string names what a container or event belongs to, resolved lexically:
    i:Class.attr      attribute of instances of Class        c:Class.attr   attribute of the class itself
    m:name            module global (m:app.state.x too)      l:func.name    local of a function, or its parameter
    x:pkg.mod.name    reached through an import              t:Type.attr    through a name whose type is known
    ?:attr            attribute of something unknown
"""

from __future__ import annotations

import msgspec

from leakaudit.findings.suppression import Comment


class Op:
    """What an event does to its container. Plain ints: a look at an enum's member takes longer than the whole event."""

    GROW = 1
    SHRINK = 2
    CLEAR = 3  # removes everything
    REBIND = 4  # the name is bound to something new
    TRIM = 5  # rebuilt from a part of itself: slice, comprehension
    MEASURE = 6  # len() compared with something
    READ_GROW = 7  # subscript read that would create an entry in a defaultdict


class Flag:
    """Where an event or a call stands. Plain ints: an operator of IntFlag costs as much as a whole step of the walk."""

    LOOP = 1
    FOREVER = 2  # inside `while True`
    TRY = 4
    EXCEPT = 8
    FINALLY = 16
    WITH = 32
    COND = 64  # under an if
    ALIAS = 128  # through a local alias
    CALLBACK = 256  # the bound method was passed along, not called
    AWAIT = 512
    ELSE_EXIT = 1024  # after an early exit in the same block
    DECORATOR = 2048
    EITHER = 4096  # through a local that may stand for something new instead


class Use:
    """How a container is read; without any of these it is write-only. Plain ints, as in Flag."""

    ITER = 1
    INDEX = 2
    GET = 4
    IN = 8
    LEN = 16
    PASS = 32
    RETURN = 64
    TRUTH = 128


class Param(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One parameter: its annotation as text and its default in one word ("", "const", "list", "dict", ...)."""

    name: str
    annotation: str = ""
    default: str = ""


class Function(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A function, method or passed lambda. `calls` are owner-style names of everything it calls."""

    qualname: str
    line: int
    end_line: int
    cls: str = ""
    parent: int = -1
    params: tuple[Param, ...] = ()
    decorators: tuple[str, ...] = ()
    decorator_lines: tuple[int, ...] = ()
    is_async: bool = False
    is_generator: bool = False
    kind: str = ""  # "", static, class, property
    forever: bool = False
    calls: tuple[str, ...] = ()
    refs: tuple[str, ...] = ()  # functions passed along as values
    returns: tuple[str, ...] = ()  # origins of what it returns
    captures: tuple[str, ...] = ()  # free names taken from enclosing functions
    exits: tuple[str, ...] = ()  # tests of early exits at the top of the body (once-guards)
    column: int = 1
    loop_calls: tuple[str, ...] = ()  # those of `calls` that are made inside a loop without end
    endless: bool = False  # runs `while True` without a way out, at its own pace
    empties: tuple[str, ...] = ()  # parameters that it takes entries out of
    dropped: tuple[
        str, ...
    ] = ()  # nested functions that it unbinds itself, with `del` or by binding them to None

    @property
    def name(self) -> str:
        """The last part of the qualified name."""
        return self.qualname.rpartition(".")[2]


class Class(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A class: bases and decorators as dotted names, methods by name."""

    qualname: str
    line: int
    end_line: int
    bases: tuple[str, ...] = ()
    decorators: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    func: int = -1  # the function that it is defined in
    keywords: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # plain class-level names, in order
    column: int = 1
    captures: tuple[str, ...] = ()  # names that the class body itself takes from the function around it


class Container(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A mutable container where it is created. `bound` says why it cannot grow without limit, or ""."""

    owner: str
    kind: str
    line: int
    column: int
    end_line: int
    end_column: int
    func: int = -1
    inner: str = ""
    annotation: str = ""
    bound: str = ""
    weak: bool = False
    initial: int = 0
    from_param: str = ""
    flags: int = 0
    text: str = ""


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Something done to a container. `depth` counts subscripts between it and what was changed."""

    owner: str
    op: int  # of Op
    method: str
    line: int
    column: int
    func: int = -1
    depth: int = 0
    key: str = ""  # of what grows or shrinks
    key_origins: tuple[str, ...] = ()
    value: str = ""  # of what grows; "None" where the container is bound to that
    value_origins: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()  # of what grows, shrinks or is bound anew
    flags: int = 0
    end_column: int = 0


class Call(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A call worth remembering. `usage` says what becomes of its result, `args` what kind of thing goes in."""

    callee: str
    line: int
    column: int
    end_line: int
    end_column: int
    func: int = -1
    usage: str = ""
    args: tuple[str, ...] = ()
    keywords: tuple[tuple[str, str], ...] = ()
    guards: tuple[str, ...] = ()
    flags: int = 0
    receiver: tuple[str, ...] = ()  # origins of the receiver


class Raise(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A `raise NAME` of something that exists already: a variable, an attribute, an element; not a call, not `raise`."""

    owner: str
    origins: tuple[str, ...]
    line: int
    column: int
    func: int = -1
    guards: tuple[str, ...] = ()
    flags: int = 0
    made: int = 0  # the line that binds a module-level name


class Loser(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A task made for a race that may be left running. `coroutine` is an owner-style callee, `text` how it is written."""

    name: str
    line: int
    column: int
    end_line: int
    end_column: int
    coroutine: str
    text: str
    cancelled: str  # "no", or "conditional": only when no other came first
    flags: int = 0


class Race(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A wait for the first of several tasks that leaves the others alone."""

    line: int
    column: int
    end_line: int
    end_column: int
    func: int
    losers: tuple[Loser, ...]
    flags: int = 0


class GraphKept(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A tensor that `owner` keeps with its autograd graph. `how` is "sum" or "append"; `step` the line that runs backward."""

    owner: str
    line: int
    column: int
    end_line: int
    end_column: int
    func: int
    how: str
    text: str
    step: int


class Holding(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A local that leaves its function while what it holds is open, on the path that ends at `exit_line`.

    `how` is "end", "return", "again" (bound anew in a loop) or "raise"; `lent` says that this holds only if none of the
    calls in `passed` takes it over. `closed` and `given` are lines, 0 for nowhere.
    """

    maker: str
    name: str
    line: int
    column: int
    end_line: int
    end_column: int
    func: int
    flags: int
    how: str
    exit_line: int
    risk: str = ""
    closed: int = 0
    given: int = 0
    lent: bool = False
    passed: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    collected: bool = False  # a local container holds it, together with others of its kind
    risks: int = 0  # how many lines may raise while it is open
    sibling: int = 0  # line where another function of the file closes what the same maker made


class Skipped(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A cleanup call in a handler that a cancellation passes by; `line` and `column` are the handler's."""

    line: int
    column: int
    func: int
    callee: str
    text: str


class FrameCycle(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A local that holds an exception which its own frame has caught. `how` is "future", or "list" where it is raised of."""

    name: str
    line: int
    column: int
    func: int
    how: str


class Abandoned(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An entry of `owner` that the way out at `exit_line` leaves in, where the others take it out.

    `how` is "raise", "return" or "wait", when one function puts it in and takes it out; "unanswered" or "cancelled", when
    it waits for somebody else to do that.
    """

    owner: str
    line: int
    exit_line: int
    how: str
    func: int


class Knot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A store whose value holds the object it is stored on. `owner` is that of the attribute, `base` the object as written.

    `how` is itself, method, closure, partial, container, callback (of a weak reference), made (by a method of the object),
    filled (a mapping, by a method), wrapped (the attribute's own value before) or grown (by one element); `what` is the
    method, the function, or how the container or element holds it.
    """

    owner: str
    base: str
    how: str
    what: str
    line: int
    column: int
    func: int
    always: bool = False  # no condition leads to it: every call of the function ties it


class FileFacts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All that pass 1 keeps of a file."""

    lines: int
    imports: dict[str, str] = {}
    functions: tuple[Function, ...] = ()
    classes: tuple[Class, ...] = ()
    containers: tuple[Container, ...] = ()
    events: tuple[Event, ...] = ()
    calls: tuple[Call, ...] = ()
    types: dict[str, str] = {}  # owner -> dotted type, as far as constructors and annotations tell
    uses: dict[str, int] = {}  # owner -> Use mask
    module_calls: tuple[str, ...] = ()
    module_refs: tuple[str, ...] = ()
    all_names: tuple[str, ...] = ()
    script: bool = False  # has an `if __name__ == "__main__"` block
    stored: tuple[
        tuple[str, str, int, int], ...
    ] = ()  # (owner, origin, line, func) of plain attribute stores
    comments: tuple[Comment, ...] = ()
    generated: bool = False
    raises: tuple[Raise, ...] = ()
    races: tuple[Race, ...] = ()
    graphs: tuple[GraphKept, ...] = ()
    holdings: tuple[Holding, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    frame_cycles: tuple[FrameCycle, ...] = ()
    abandoned: tuple[Abandoned, ...] = ()
    knots: tuple[Knot, ...] = ()

    def called_names(self) -> set[str]:
        """Return the names of all that the functions of the file call or pass along."""
        return set().union(*[f.calls for f in self.functions], *[f.refs for f in self.functions])
