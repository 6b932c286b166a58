"""From the names in probes to containers, in a process that is read from outside."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from leakaudit.findings.model import ProbeKind
from leakaudit.runtime.agent import common, stem
from leakaudit.runtime.passive.measure import Measured, measure

if TYPE_CHECKING:
    from leakaudit.findings.model import Probe
    from leakaudit.runtime.passive.objects import Objects

TRIES = 3
OUT_OF_REACH = "passive: only module-level containers can be read from outside"
_IN_REACH = (ProbeKind.MODULE_ATTRIBUTE, ProbeKind.CLASS_ATTRIBUTE)


class Unfound(Exception):  # noqa: N818 - an answer, no error
    """Why a probe leads to nothing that could be read."""


class Finder:
    """Finds modules by their files and containers by their names."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self._files: dict[str, str] = {}
        self._stems: dict[str, list[str]] = {}
        self._indexed = -1

    def files(self) -> dict[str, str]:
        """Return module name -> file, of all modules that have one; raises OSError."""
        count = self.objects.size(self.objects.modules)
        if count != self._indexed:
            self._files = self._read_files()
            self._stems = {name: stem(file) for name, file in self._files.items()}
            self._indexed = count
        return self._files

    def _read_files(self) -> dict[str, str]:
        found = {}
        for entry in self.objects.entries(self.objects.modules):
            with suppress(OSError):  # it is just being loaded, or its file is no string
                if self.objects.is_module(entry.value):
                    file = self.objects.find(self.objects.names(entry.value), "__file__")
                    if file:
                        found[self.objects.text(entry.key)] = self.objects.text(file)
        return found

    def look(self, probe: Probe) -> Measured:
        """Return what a probe's container holds; raises Unfound, and OSError where it changes too fast."""
        if probe.kind not in _IN_REACH or "<locals>" in probe.qualname:
            raise Unfound(OUT_OF_REACH)
        path = ".".join(filter(None, (probe.qualname, probe.attribute)))
        for _ in range(TRIES):
            address = self._follow(probe, path)
            found = measure(self.objects, address)
            if self._follow(probe, path) == address:  # else it was another's by the time it was read
                break
        else:
            raise OSError(f"{path} is another object each time")
        if found is None:
            kind = self.objects.type_name(self.objects.type_of(address))
            raise Unfound(
                f"passive: {path} is a {kind}, and only dict, list, set and deque can be read from outside"
            )
        return found

    def _follow(self, probe: Probe, path: str) -> int:
        missing = f"the target has not loaded {probe.module or probe.path}"
        for name in self._modules(probe):
            module = self.objects.find(self.objects.modules, name)
            if not module or not self.objects.is_module(module):
                continue
            missing = f"nothing in the target's {name} has the name {path}"
            address = module
            for part in path.split("."):
                address = self._attribute(address, part)
                if not address:
                    break
            else:
                return address
        raise Unfound(missing)

    def _attribute(self, holder: int, name: str) -> int:
        if self.objects.is_class(holder):
            dicts = (self.objects.names(kind) for kind in self.objects.bases(holder))
            # What is built in has its names elsewhere, and holds none of the program's containers.
            return next((found for names in dicts if names and (found := self.objects.find(names, name))), 0)
        if self.objects.is_module(holder):
            return self.objects.find(self.objects.names(holder), name)
        raise Unfound(OUT_OF_REACH)

    def _modules(self, probe: Probe) -> list[str]:
        """Return the names of the modules that a probe's file was loaded as, the best first."""
        self.files()
        parts = stem(probe.path)
        shared = {name: common(parts, own) for name, own in self._stems.items() if own[-1:] == parts[-1:]}
        fitting = {
            name: count
            for name, count in shared.items()
            if count >= 2 or count in (len(parts), len(self._stems[name])) or name == probe.module
        }
        best = max(fitting.values(), default=0)
        return sorted(name for name, count in fitting.items() if count == best) or [probe.module]
