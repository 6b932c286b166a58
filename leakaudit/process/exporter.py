"""Serve the latest moment to Prometheus; needs the optional package prometheus_client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from leakaudit.errors import UsageError

if TYPE_CHECKING:
    from leakaudit.process.monitor import Moment, Row

LOCAL = "127.0.0.1"


def parse_address(text: str) -> tuple[str, int]:
    """Return (host, port) of `9100` or `0.0.0.0:9100`; raises UsageError."""
    host, _, port = text.rpartition(":")
    if not port.isdigit() or not 0 <= int(port) <= 65535:
        raise UsageError(f"`{text}` is not a port", "write PORT, or HOST:PORT to serve to other machines")
    return host.strip("[]") or LOCAL, int(port)


class Exporter:
    """Answers scrapes from `latest`, which the monitor replaces; runs until `close`."""

    def __init__(self, host: str, port: int) -> None:
        self.latest: Moment | None = None
        try:
            import prometheus_client
        except ImportError:
            raise UsageError(
                "--prometheus needs the package prometheus_client", "pip install 'leakaudit[prometheus]'"
            ) from None
        registry = prometheus_client.CollectorRegistry()
        registry.register(cast("Any", self))  # only `collect` is asked for
        try:
            self._server, self._thread = prometheus_client.start_http_server(port, host, registry)
        except OSError as error:
            raise UsageError(
                f"cannot serve on {host}:{port} ({error.strerror})", "choose another port"
            ) from error

    @property
    def port(self) -> int:
        """The port that is served, which the system chose if 0 was asked for."""
        return int(self._server.server_port)

    def show(self, moment: Moment) -> None:
        """Serve this moment from now on."""
        self.latest = moment

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def collect(self) -> Iterator[Any]:
        """Yield the metrics of the latest moment."""
        from prometheus_client.core import GaugeMetricFamily

        seen = self.latest
        if seen is None:
            return
        for name, text, kinds in GAUGES:
            labels = ("name", "group", "pid", *(("kind",) if kinds else ()))
            family = GaugeMetricFamily(f"leakaudit_process_{name}", text, labels=labels)
            for row in seen.rows:
                for kind, value in _values(name, row):
                    who = (row.member.label, row.member.group, str(row.sample.pid))
                    family.add_metric((*who, kind) if kinds else who, value)
            yield family


#: Name, help text, and whether it has kinds.
GAUGES = (
    ("resident_bytes", "Resident memory.", False),
    ("proportional_bytes", "Resident memory with shared pages divided by their users.", False),
    ("threads", "Threads.", False),
    ("descriptors", "Open descriptors.", True),
    ("send_queue_bytes", "Bytes that TCP peers have not taken yet.", False),
    ("send_queues_full", "Sockets whose peer takes nothing more.", False),
    ("children", "Child processes.", False),
    ("zombies", "Child processes that ended and were not reaped.", False),
    ("log_bytes", "Size of the log files held open.", False),
)


def _values(name: str, row: Row) -> Iterator[tuple[str, float]]:
    sample, details = row.sample, row.sample.details
    private, queues, logs, fds = details.private, details.send_queues, details.logs, details.descriptors
    if name == "descriptors":
        if fds is not None:
            yield from (
                ("socket", fds.sockets),
                ("file", fds.files),
                ("pipe", fds.pipes),
                ("other", fds.other),
            )
        return
    value = {
        "resident_bytes": sample.rss,
        "threads": sample.threads,
        "children": sample.children,
        "zombies": sample.zombies,
        "proportional_bytes": None if private is None else private.pss,
        "send_queue_bytes": None if queues is None else queues.bytes,
        "send_queues_full": None if queues is None else queues.full,
        "log_bytes": None if logs is None else sum(log.size for log in logs),
    }[name]
    if value is not None:
        yield "", float(value)
