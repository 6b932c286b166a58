"""LA306: a metric label with a value per request, user or error."""

from __future__ import annotations

import re
from collections.abc import Iterator

from leakaudit.facts.answers import Answer
from leakaudit.facts.project import Project
from leakaudit.facts.telemetry.metrics import Label, Metric, judge, metrics
from leakaudit.findings import Evidence, Location, Probe, ProbeKind, Related
from leakaudit.scan.rule import Rule, Suspect

_CERTAIN = re.compile(
    r"(^|_)(user_?id|username|email|ip|ip_address|session_?id|request_?id|trace_?id|uuid|token|url|phone)$",
    re.IGNORECASE,
)
_WEIGHT = {"fresh": 5, "open": 3}


class MetricLabelCardinality(Rule):
    """A metric has a label whose values come from callers: paths, users, ids, addresses, error texts.

    ## What it does

    Flags Prometheus metrics whose labels are named or given something with a value per request, user, address or error
    (`path`, `user_id`, `ip`, `str(error)`), and OpenTelemetry measurements with such attributes.

    ## Why it leaks

    The client keeps one child (for a histogram, one per bucket too) for every combination of label values until the
    process ends, and hands all of them out at each scrape. Whoever picks the values decides how much memory that is.

    ## Example

        from prometheus_client import Counter

        REQUESTS = Counter("requests_total", "Requests.", ["method", "path"])

        async def dispatch(request, call_next):
            REQUESTS.labels(method=request.method, path=request.url.path).inc()
            return await call_next(request)

    ## Use instead

        from prometheus_client import Counter

        REQUESTS = Counter("requests_total", "Requests.", ["method", "route"])

        async def dispatch(request, call_next):
            REQUESTS.labels(method=request.method, route=request.scope["route"].path_template).inc()
            return await call_next(request)

    ## What we do not flag

    Labels for methods, status codes, types, route templates, services and other fixed sets; values that are constants,
    class names, or mapped to `other` when unknown; metrics whose children are removed.

    ## References

    - https://prometheus.io/docs/practices/naming/#labels
    - https://prometheus.github.io/client_python/instrumenting/labels/
    """

    code = "LA306"
    name = "metric-label-cardinality"
    object_types = (
        "prometheus_client.metrics.Counter",
        "prometheus_client.metrics.Gauge",
        "prometheus_client.metrics.Histogram",
    )

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the metrics with an open label."""
        found = tuple(metrics(project))
        removers = _removers(project) if found else set()
        for metric in found:
            removed = any(f"{metric.owner}.{undo}" in removers for undo in ("remove", "clear"))
            worst = self._worst(metric)
            if worst is not None and not removed:
                yield self._suspect(project, metric, *worst)

    def _worst(self, metric: Metric) -> tuple[Label, Answer] | None:
        """The label with the most values: as it is used where uses were seen, else by its name alone."""
        used = {label.name for label in metric.labels}
        labels = [*metric.labels, *(Label(name) for name in metric.names if name and name not in used)]
        judged = [(label, judge(label)) for label in labels]
        for value in _WEIGHT:
            for label, answer in judged:
                if answer.value == value:
                    return label, answer
        return None

    def _suspect(self, project: Project, metric: Metric, label: Label, answer: Answer) -> Suspect:
        call = metric.call
        name = metric.owner.partition(":")[2]
        last = name.rpartition(".")[2]
        place = Location(label.path, label.call.line, label.call.column) if label.call is not None else None
        scope = ProbeKind.MODULE_ATTRIBUTE if metric.owner.startswith("m:") else ProbeKind.INSTANCE_ATTRIBUTE
        return Suspect(
            location=Location(metric.path, call.line, call.column, call.end_line, call.end_column),
            symbol=f"{project.module_name(metric.path)}.{name}",
            message=f"`{last}` keeps one child for every value of its label `{label.name}`",
            evidence=tuple(self._evidence(label, answer)),
            related=(Related(place, f"a child is made here for each `{label.name}`; {answer.reason}"),)
            if place is not None
            else (),
            notes=("children of a metric stay until `remove` or `clear`, or the process ends",),
            help=(
                f"drop the label `{label.name}`, or give it a value of a fixed set: the route template, a class name, `other` for the rest",
                "put ids, paths and texts into logs or traces instead",
            ),
            probe=Probe(
                scope,
                project.module_name(metric.path),
                metric.path,
                name.rpartition(".")[0],
                last,
                self.object_types,
            ),
        )

    def _evidence(self, label: Label, answer: Answer) -> Iterator[Evidence]:
        place = Location(label.path, label.call.line, label.call.column) if label.call is not None else None
        yield Evidence("values", answer.value, answer.reason, _WEIGHT[answer.value], place)
        if place is not None:
            yield Evidence("use", "seen", "the label is filled in while the program runs", 1, place)
        if answer.value == "open" and _CERTAIN.search(label.name):
            yield Evidence("name", "certain", f"there is one `{label.name}` per caller or request", 2)
        if answer.value == "fresh" and judge(Label(label.name)).value == "open":
            yield Evidence(
                "name",
                "open",
                f"`{label.name}` is named like something with a value per caller or request",
                1,
            )


def _removers(project: Project) -> set[str]:
    functions = (f for facts in project.files.values() for f in facts.functions)
    return {name for f in functions for name in f.calls if name.endswith((".remove", ".clear"))}
