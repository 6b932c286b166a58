"""Tables of what containers and APIs do. Data only; `[tool.leakaudit.tables]` extends them."""

from __future__ import annotations

#: Constructor (last part of its dotted name) -> container kind.
CONTAINER_CALLS = {
    "dict": "dict",
    "OrderedDict": "dict",
    "defaultdict": "defaultdict",
    "DefaultDict": "defaultdict",
    "Counter": "counter",
    "UserDict": "dict",
    "ChainMap": "dict",
    "CaseInsensitiveDict": "dict",
    "MultiDict": "dict",
    "list": "list",
    "UserList": "list",
    "set": "set",
    "OrderedSet": "set",
    "IdentitySet": "set",
    "deque": "deque",
    "bytearray": "buffer",
    "BytesIO": "buffer",
    "StringIO": "buffer",
    "Queue": "queue",
    "LifoQueue": "queue",
    "PriorityQueue": "queue",
    "SimpleQueue": "queue",
    "JoinableQueue": "queue",
    "WeakValueDictionary": "dict",
    "WeakKeyDictionary": "dict",
    "WeakSet": "set",
    "WeakKeyDefaultDict": "dict",
    "WeakList": "list",
}

#: Constructors whose result holds its entries weakly. A weak-key dict is judged by its values.
WEAK_CALLS = {
    "WeakValueDictionary",
    "WeakKeyDictionary",
    "WeakSet",
    "WeakKeyDefaultDict",
    "WeakList",
    "WeakMethod",
}

#: Constructors of third-party or project containers that bound themselves, by the end of their name.
BOUNDED_SUFFIXES = (
    "LRUCache",
    "TTLCache",
    "LFUCache",
    "FIFOCache",
    "RRCache",
    "MRUCache",
    "TLRUCache",
    "LRUDict",
    "LRU",
    "ExpiringDict",
    "LimitedSet",
    "BoundedDict",
    "BoundedList",
    "BoundedSet",
    "RingBuffer",
    "CircularBuffer",
    "LruCache",
    "ExpiringCache",
    "LimitedSizeDict",
    "FixedSizeDict",
    "FixedSizeCache",
    "TTLDict",
    "LRUSet",
    "LRUMap",
    "FifoCache",
    "BoundedOrderedDict",
    "WeakLRUCache",
    "TimedCache",
    "SizedDict",
)

GROW_METHODS = {
    "append": "value",
    "add": "value",
    "insert": "second",
    "extend": "value",
    "update": "value",
    "setdefault": "key",
    "appendleft": "value",
    "extendleft": "value",
    "put": "value",
    "put_nowait": "value",
    "push": "value",
    "__setitem__": "key",
    "subtract": "value",
    "union_update": "value",
    "write": "value",
}
SHRINK_METHODS = {
    "pop",
    "popitem",
    "popleft",
    "remove",
    "discard",
    "get_nowait",
    "__delitem__",
    "difference_update",
    "intersection_update",
    "symmetric_difference_update",
    "move_to_end_and_pop",
    "truncate",
    "seek",
    "task_done",
    "popall",
    "popone",
    "expire",
    "evict",
    "prune",
    "trim",
}
CLEAR_METHODS = {"clear", "reset", "flush_all", "remove_all"}
#: Methods of a queue that take things out; for other kinds `get` is a read.
QUEUE_TAKE = {"get", "get_nowait", "popleft", "pop"}

#: Methods that would grow something that is no builtin container; only believed when the owner is one.
AMBIGUOUS_GROW = {"update", "write", "put", "push", "add", "insert"}

#: Calls that make an object for one waiter per key.
LOCK_CALLS = {"Lock", "RLock", "Semaphore", "BoundedSemaphore", "Event", "Condition"}

#: Calls that start something whose handle may be kept.
TASK_CALLS = {
    "create_task",
    "ensure_future",
    "create_background_task",
    "submit",
    "run_coroutine_threadsafe",
    "Task",
    "spawn",
    "start_soon",
    "run_in_executor",
    "Thread",
    "Process",
    "call_later",
    "call_at",
}

#: Names of functions whose call with a callback registers it, by prefix and by whole name.
REGISTER_PREFIXES = (
    "add_",
    "register",
    "on_",
    "subscribe",
    "connect",
    "listen",
    "bind",
    "hook",
    "attach",
    "observe",
    "watch",
    "install",
    "set_",
)
REGISTER_NAMES = {
    "append",
    "add",
    "on",
    "once",
    "subscribe",
    "connect",
    "listen",
    "register",
    "bind",
    "observe",
    "watch",
    "setdefault",
    "addHandler",
    "addFilter",
    "addObserver",
    "addCallback",
    "addErrback",
    "addBoth",
    "addCleanup",
    "addListener",
    "attach",
    "then",
    "insert",
    "put",
    "appendleft",
    "hook",
    "receiver",
    "addEventListener",
    "on_event",
    "finalize",
}
#: Registration call -> calls that undo it.
UNREGISTER = {
    "add_": ("remove_", "discard_", "del_", "delete_", "pop_", "clear_"),
    "register": ("unregister", "deregister"),
    "subscribe": ("unsubscribe", "dispose", "cancel"),
    "connect": ("disconnect",),
    "listen": ("unlisten", "remove"),
    "bind": ("unbind",),
    "on": ("off", "remove_listener", "removeListener"),
    "hook": ("unhook",),
    "attach": ("detach",),
    "observe": ("unobserve",),
    "watch": ("unwatch", "unsubscribe"),
    "install": ("uninstall",),
    "set_": ("clear_", "unset_", "remove_", "del_", "reset_"),
    "addHandler": ("removeHandler",),
    "addFilter": ("removeFilter",),
    "append": ("remove", "pop", "clear"),
    "add": ("remove", "discard", "clear"),
}

#: Calls remembered with their arguments wherever they occur (last part of the callee).
INTERESTING_CALLS = {
    "finalize",
    "register",
    "register_at_fork",
    "addHandler",
    "removeHandler",
    "addFilter",
    "removeFilter",
    "getLogger",
    "getChild",
    "connect",
    "disconnect",
    "labels",
    "create_task",
    "ensure_future",
    "submit",
    "wait",
    "Queue",
    "put",
    "put_nowait",
    "write",
    "drain",
    "open",
    "Popen",
    "socket",
    "create_connection",
    "ClientSession",
    "Session",
    "AsyncClient",
    "Client",
    "ThreadPoolExecutor",
    "ProcessPoolExecutor",
    "Thread",
    "Timer",
    "create_engine",
    "sessionmaker",
    "TemporaryFile",
    "NamedTemporaryFile",
    "TemporaryDirectory",
    "type",
    "namedtuple",
    "make_dataclass",
    "create_model",
    "new_class",
    "register_forward_hook",
    "register_backward_hook",
    "register_full_backward_hook",
    "register_hook",
    "figure",
    "subplots",
    "close",
    "lru_cache",
    "cache",
    "call_later",
    "call_at",
    "add_done_callback",
    "subscribe",
    "unsubscribe",
    "unregister",
    "start_span",
    "backward",
    "detach",
    "item",
    "RotatingFileHandler",
    "FileHandler",
    "basicConfig",
    "TimedRotatingFileHandler",
    "mkstemp",
    "mkdtemp",
    "fdopen",
    "gather",
    "cancel",
    "shutdown",
    "terminate",
    "kill",
    "communicate",
    "addCallback",
    "join",
    "set_result",
    "run_coroutine_threadsafe",
    "exec",
    "import_module",
    "exc_info",
    "addBoth",
    "addErrback",
    "module_from_spec",
    "start_as_current_span",
    "Lock",
    "Event",
    "alru_cache",
    "cached",
    "declarative_base",
    "create_counter",
    "create_histogram",
    "create_up_down_counter",
    "create_gauge",
}

#: Words that end the names of what is new for every caller or event; a key named so is fresh.
FRESH_WORDS = frozenset(
    "id ids uid uuid guid pid tid sid session user client conn connection ip addr address email phone request req message msg event trace "
    "span job task run shuffle stream transaction txn node peer nonce timestamp now ts correlation cookie invocation digest fingerprint "
    "identifier ident handle future oid cid rid jid qid mid peername token remote".split()
)
#: Words that end the names of what may well be new, or come from a small set.
LIKELY_FRESH_WORDS = frozenset(
    "url uri query text body content filename file prompt hash host hostname endpoint room channel order counter sequence seq "
    "signature origin expr source sender target digest cache_key".split()
)
#: Words before "id" that name something of which a program has few: `thread_id` comes back, `session_id` does not.
POPULATION_WORDS = frozenset(
    "thread worker device dev player entity table partition shard sensor zone area plugin component module node host server disk cpu gpu core deployment "
    "dc datacenter".split()
)
FINITE_WORDS = frozenset(
    "type kind cls klass level mode state status name names lang language encoding charset codec fmt format dtype scheme protocol locale "
    "method verb op operation category severity phase stage role unit module package section field column attr attribute option "
    "setting flag color colour weekday month year day currency country region backend engine dialect driver platform version domain "
    "namespace group feature capability stat metric label tag extension ext suffix prefix mimetype command cmd action property prop signal table partition shard tp idx rank slot".split()
)
