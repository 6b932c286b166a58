"""Tables of resources: what makes them, what ends them, who only borrows them. Data only."""

from __future__ import annotations

import re
from functools import lru_cache

#: Calls (resolved, dotted) whose result must be closed -> (what it is, how bad it is when it is not: 3 worst).
#: 3: a thread, a process, a loop or a pool stays; 2: a connection or a session; 1: a descriptor that the
#: garbage collector closes in the end.
MAKERS: dict[str, tuple[str, int]] = {
    "open": ("file", 1),
    "io.open": ("file", 1),
    "codecs.open": ("file", 1),
    "gzip.open": ("file", 1),
    "bz2.open": ("file", 1),
    "lzma.open": ("file", 1),
    "tarfile.open": ("archive", 1),
    "tarfile.TarFile.open": ("archive", 1),
    "zipfile.ZipFile": ("archive", 1),
    "os.fdopen": ("file", 1),
    "os.open": ("descriptor", 2),
    "os.popen": ("file", 1),
    "mmap.mmap": ("memory map", 1),
    "shelve.open": ("file", 1),
    "dbm.open": ("file", 1),
    "wave.open": ("file", 1),
    "tempfile.TemporaryFile": ("file", 1),
    "tempfile.NamedTemporaryFile": ("file", 1),
    "tempfile.SpooledTemporaryFile": ("file", 1),
    "tempfile.TemporaryDirectory": ("directory", 1),
    "aiofiles.open": ("file", 1),
    "socket.socket": ("socket", 1),
    "socket.create_connection": ("socket", 1),
    "socket.create_server": ("socket", 1),
    "socket.socketpair": ("socket", 1),
    "os.pipe": ("pipe", 2),
    "os.openpty": ("pipe", 2),
    "socket.fromfd": ("socket", 1),
    "selectors.DefaultSelector": ("selector", 2),
    "select.epoll": ("selector", 2),
    "ssl.wrap_socket": ("socket", 1),
    "http.client.HTTPConnection": ("connection", 1),
    "http.client.HTTPSConnection": ("connection", 1),
    "urllib.request.urlopen": ("response", 1),
    "ftplib.FTP": ("connection", 1),
    "ftplib.FTP_TLS": ("connection", 1),
    "smtplib.SMTP": ("connection", 1),
    "smtplib.SMTP_SSL": ("connection", 1),
    "imaplib.IMAP4": ("connection", 1),
    "imaplib.IMAP4_SSL": ("connection", 1),
    "telnetlib.Telnet": ("connection", 1),
    "sqlite3.connect": ("connection", 1),
    "psycopg2.connect": ("connection", 2),
    "psycopg.connect": ("connection", 2),
    "pymysql.connect": ("connection", 2),
    "MySQLdb.connect": ("connection", 2),
    "mysql.connector.connect": ("connection", 2),
    "pyodbc.connect": ("connection", 2),
    "cx_Oracle.connect": ("connection", 2),
    "oracledb.connect": ("connection", 2),
    "asyncpg.connect": ("connection", 2),
    "aiomysql.connect": ("connection", 2),
    "aiosqlite.connect": ("connection", 2),
    "asyncpg.create_pool": ("pool", 3),
    "aiomysql.create_pool": ("pool", 3),
    "aiopg.create_pool": ("pool", 3),
    "psycopg2.pool.ThreadedConnectionPool": ("pool", 3),
    "psycopg2.pool.SimpleConnectionPool": ("pool", 3),
    "sqlalchemy.create_engine": ("engine", 2),
    "sqlalchemy.engine.create_engine": ("engine", 2),
    "sqlalchemy.ext.asyncio.create_async_engine": ("engine", 3),
    "pymongo.MongoClient": ("client", 3),
    "motor.motor_asyncio.AsyncIOMotorClient": ("client", 3),
    "redis.asyncio.Redis": ("client", 2),
    "redis.asyncio.from_url": ("client", 2),
    "redis.asyncio.ConnectionPool": ("pool", 2),
    "docker.from_env": ("client", 2),
    "docker.DockerClient": ("client", 2),
    "docker.APIClient": ("client", 2),
    "docker.client.DockerClient": ("client", 2),
    "docker.client.APIClient": ("client", 2),
    "elasticsearch.Elasticsearch": ("client", 2),
    "elasticsearch.AsyncElasticsearch": ("client", 3),
    "kafka.KafkaProducer": ("client", 3),
    "kafka.KafkaConsumer": ("client", 3),
    "aiokafka.AIOKafkaProducer": ("client", 3),
    "aiokafka.AIOKafkaConsumer": ("client", 3),
    "pika.BlockingConnection": ("connection", 2),
    "aio_pika.connect": ("connection", 3),
    "aio_pika.connect_robust": ("connection", 3),
    "nats.connect": ("connection", 3),
    "paho.mqtt.client.Client": ("client", 2),
    "paramiko.SSHClient": ("client", 3),
    "paramiko.Transport": ("client", 3),
    "asyncssh.connect": ("connection", 3),
    "websockets.connect": ("connection", 3),
    "websockets.client.connect": ("connection", 3),
    "websocket.create_connection": ("connection", 2),
    "grpc.insecure_channel": ("channel", 3),
    "grpc.secure_channel": ("channel", 3),
    "grpc.aio.insecure_channel": ("channel", 3),
    "grpc.aio.secure_channel": ("channel", 3),
    "zmq.Context": ("context", 3),
    "zmq.asyncio.Context": ("context", 3),
    "aiohttp.ClientSession": ("session", 3),
    "aiohttp.TCPConnector": ("connector", 2),
    "requests.Session": ("session", 2),
    "requests.session": ("session", 2),
    "requests.sessions.Session": ("session", 2),
    "httpx.Client": ("client", 2),
    "httpx.AsyncClient": ("client", 3),
    "urllib3.PoolManager": ("pool", 1),
    "asyncio.new_event_loop": ("event loop", 3),
    "asyncio.open_connection": ("connection", 2),
    "asyncio.open_unix_connection": ("connection", 2),
    "asyncio.start_server": ("server", 2),
    "concurrent.futures.ThreadPoolExecutor": ("executor", 3),
    "concurrent.futures.ProcessPoolExecutor": ("executor", 3),
    "concurrent.futures.thread.ThreadPoolExecutor": ("executor", 3),
    "concurrent.futures.process.ProcessPoolExecutor": ("executor", 3),
    "multiprocessing.Pool": ("pool", 3),
    "multiprocessing.pool.Pool": ("pool", 3),
    "multiprocessing.pool.ThreadPool": ("pool", 3),
    "multiprocessing.dummy.Pool": ("pool", 3),
    "multiprocessing.Manager": ("manager", 3),
    "multiprocessing.Pipe": ("pipe", 1),
    "multiprocessing.shared_memory.SharedMemory": ("memory", 2),
    "matplotlib.pyplot.figure": ("figure", 3),
    "matplotlib.pyplot.subplots": ("figure", 3),
    "rasterio.open": ("dataset", 1),
    "h5py.File": ("file", 1),
    "fitz.open": ("document", 1),
    "cv2.VideoCapture": ("capture", 2),
    "av.open": ("container", 2),
    "serial.Serial": ("port", 2),
    "tempfile.mkstemp": ("descriptor", 2),
    "subprocess.Popen": ("child process", 1),
    "multiprocessing.Process": ("child process", 1),
    "asyncio.create_subprocess_exec": ("child process", 1),
    "asyncio.create_subprocess_shell": ("child process", 1),
    "asyncio.subprocess.create_subprocess_exec": ("child process", 1),
    "contextlib.ExitStack": ("exit stack", 2),
    "contextlib.AsyncExitStack": ("exit stack", 2),
}

#: Which element of a maker's result is the resource, where it returns several.
ELEMENT = {
    "asyncio.open_connection": 1,
    "asyncio.open_unix_connection": 1,
    "matplotlib.pyplot.subplots": 0,
    "tempfile.mkstemp": 0,
}

#: Makers that return two of a kind.
PAIRS = frozenset(("socket.socketpair", "os.pipe", "os.openpty", "multiprocessing.Pipe"))

#: Last parts of the makers' names: what the walk looks for.
MAKER_NAMES = frozenset(name.rpartition(".")[2] for name in MAKERS)

#: Methods that end a resource, and functions that end what they are given, whole or as the first word of their name.
CLOSERS = frozenset(
    "close aclose shutdown release disconnect terminate kill stop quit dispose destroy cancel join wait communicate cleanup "
    "finish end __exit__ __aexit__ server_close close_all exit logout term abort wait_closed release_conn unlink detach "
    "putconn put_connection return_connection give_back free reset_connection clear_session closing aclosing enter_context "
    "enter_async_context push_async_exit addfinalizer addCleanup close_connection loop_stop "
    "close_spider async_close cleanup_socket fail_connection safe_close closefd drop_connection".split()
)
CLOSING_WORDS = frozenset(
    "close aclose closes shutdown release disconnect terminate kill dispose destroy cleanup free cancel teardown".split()
)
#: What reaps a child process, beyond the closers.
REAPERS = frozenset("poll wait communicate join is_alive exitcode returncode".split())
#: The makers of child processes, by the last part of their names.
STARTED = frozenset("Popen Process create_subprocess_exec create_subprocess_shell".split())
#: The closers whose call on a local proves that the function owns it.
PROVING = frozenset("close aclose release shutdown disconnect dispose putconn".split())

#: Functions that use what they are given and do not keep it.
BORROWERS = frozenset(
    "load loads dump dumps safe_load safe_dump load_all safe_load_all copyfileobj print isinstance len iter enumerate next list "
    "tuple set sorted sum max min any all str repr bool hasattr getattr setattr id type reader writer DictReader DictWriter "
    "fstat read_csv to_csv read_json to_json copy_to_store fsync flock lockf ioctl fcntl select map filter zip savez save "
    "savetxt loadtxt genfromtxt write_bytes sendfile getpeercert join_path parse imread imsave "
    "savefig format read write".split()
)

#: Pools: calls that take something out, which a `release` of the same function gives back.
POOL_NAMES = frozenset(
    "get_connection getconn get_conn acquire acquire_connection checkout borrow take_connection".split()
)
#: Names of functions that may hand out what one of the makers made.
WRAPPER = re.compile(
    r"_*(new|create|open|make|connect|build)_\w*(conn|connection|sock|socket|session|client|file|channel|stream|pool|executor|engine|loop)$"
)


@lru_cache(maxsize=4096)
def may_make(name: str) -> bool:
    """Tell by the last part of its name whether a function may hand out something that has to be closed."""
    return name in MAKER_NAMES or name in POOL_NAMES or WRAPPER.match(name) is not None


#: Keyword arguments that lend a file to a child process, and the calls that start one.
LENDING = frozenset("stdout stderr stdin".split())
STARTERS = frozenset(
    "run Popen call check_call check_output create_subprocess_exec create_subprocess_shell".split()
)

#: Methods whose result is plain data, so that returning it hands on nothing.
READS = frozenset(
    "read readline readlines read1 readinto recv recv_bytes getvalue getsockname getpeername fileno tell fetchone fetchall "
    "fetchmany fetchval json text dict namelist testzip extractall getnames get_file sendmail nlst pwd listdir "
    "read_until run run_until_complete submit map list_jobs count exists ping info has_table tables keys".split()
)

#: Makers of sessions whose replies are read whole before they are returned, and the methods that return such a reply.
SESSIONS = frozenset(("Session", "session"))
REPLIES = frozenset("request get post put patch delete head options send".split())

#: Calls that do not raise in practice, so that nothing needs protecting from them.
HARMLESS = frozenset(
    "len isinstance issubclass hasattr id type print str repr bool list tuple dict set frozenset time monotonic perf_counter "
    "debug info warning warn error exception critical log getLogger append add discard extend update setdefault items values keys get "
    "settimeout setblocking setsockopt set_inheritable fileno startswith endswith strip split rstrip lstrip lower upper join format "
    "encode Event Lock RLock Condition Queue deque defaultdict OrderedDict partial namedtuple cast super "
    "escape compile basename dirname exists isfile isdir umask ctime strftime localtime gmtime now utcnow urlparse quote unquote pack "
    "suppress nullcontext Path sleep arange zeros ones array linspace "
    "__init__ socket makefile new_event_loop getvalue mount get_extra_info unpack unpack_from calcsize fstat create_default_context iscoroutinefunction "
    "isgeneratorfunction isawaitable isfunction ismethod isclass isatty "
    "geteuid getegid getuid getgid getpid gettempdir cpu_count copy_context "
    "min max abs range zip enumerate sorted reversed iter getattr setattr is_set set_name gettimeout Thread copy".split()
)
#: Questions and settings, by their names: these do not raise in practice, either.
SAYING = re.compile(r"_*((is|has|can|should|set)_|v?(log|print|warn)(_|$))")
