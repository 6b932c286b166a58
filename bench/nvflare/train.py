"""What a client does: take the model, add a little to it, send it back; SCAFFOLD's clients send a control as well."""

from __future__ import annotations

import argparse

import numpy as np
import nvflare.client as flare

CONTROL = "scaffold_c_diff"


def main() -> None:
    """Train until the job is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scaffold", action="store_true")
    scaffold = parser.parse_args().scaffold
    flare.init()
    random = np.random.default_rng(1)
    while flare.is_running():
        received = flare.receive()
        if received is None:
            break
        steps = {
            name: random.standard_normal(value.shape, dtype=np.float32) * 1e-3
            for name, value in received.params.items()
        }
        params = {name: value + steps[name] for name, value in received.params.items()}
        meta = {"NUM_STEPS_CURRENT_ROUND": 1}
        if scaffold:
            meta[CONTROL] = steps
        flare.send(flare.FLModel(params=params, metrics={"accuracy": 0.5}, meta=meta))


if __name__ == "__main__":
    main()
