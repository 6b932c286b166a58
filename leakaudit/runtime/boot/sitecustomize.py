"""Opens the door of every Python that is started below `leakaudit run` and `python -m leakaudit.agent`.

Any Python may come along, even one of before annotations: whatever goes wrong here, the program runs as without.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
import sys


def _boot():
    import os

    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
    if sys.version_info >= (3, 8) and sys.implementation.name == "cpython":
        door = os.path.join(os.path.dirname(os.path.dirname(here)), "agent.py")
        # What `import` itself is made of: importlib would be one more module in the program.
        spec = sys.modules["_frozen_importlib_external"].spec_from_file_location("leakaudit_door", door)
        module = sys.modules["_frozen_importlib"].module_from_spec(spec)
        sys.modules["leakaudit_door"] = module
        spec.loader.exec_module(module)
        module.start()


def _chain():
    """Run the sitecustomize that would have run without us."""
    if sys.version_info < (3, 8):
        return
    finder = sys.modules["_frozen_importlib_external"].PathFinder
    spec = finder.find_spec("sitecustomize", sys.path)
    if spec is None or spec.loader is None:
        return
    module = sys.modules["_frozen_importlib"].module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


try:
    _boot()
except Exception:
    pass
_chain()
