"""Run one of NVFlare's workflows in its simulator, with numpy alone.

    python job.py fedavg --gc-rounds 5 --rounds 40 --clients 2 --megabytes 4

Needs nvflare 2.9.0 in the interpreter that runs it; matrix.py makes one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from nvflare.app_common.aggregators.intime_accumulate_model_aggregator import (
    InTimeAccumulateWeightedAggregator,
)
from nvflare.app_common.ccwf.ccwf_job import CCWFJob, SwarmClientConfig, SwarmServerConfig
from nvflare.app_common.ccwf.comps.simple_model_shareable_generator import SimpleModelShareableGenerator
from nvflare.app_common.np.np_model_persistor import NPModelPersistor
from nvflare.app_common.workflows.scaffold import Scaffold
from nvflare.client.config import ExchangeFormat
from nvflare.job_config.api import FedJob
from nvflare.job_config.script_runner import FrameworkType, ScriptRunner
from nvflare.recipe.cyclic import CyclicRecipe
from nvflare.recipe.fedavg import FedAvgRecipe
from nvflare.recipe.sim_env import SimEnv
from nvflare.recipe.spec import Recipe
from roles import Roles

TRAIN = str(Path(__file__).resolve().parent / "train.py")


class NumpyModel:
    """The model as CyclicRecipe wants it: something that adds its own persistor to the job."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def add_to_fed_job(self, job: FedJob, ctx: object) -> dict[str, str]:
        """Add the persistor; return its id."""
        return {"persistor_id": job.add_component(comp_id="persistor", obj=persistor(self.file), ctx=ctx)}


def persistor(file: Path) -> NPModelPersistor:
    """Return what loads the first model from `file`."""
    return NPModelPersistor(source_ckpt_file_full_name=str(file))


def runner(gc_rounds: int, arguments: str = "") -> ScriptRunner:
    """Return a client that runs train.py in its own process."""
    return ScriptRunner(
        script=TRAIN,
        script_args=arguments,
        framework=FrameworkType.NUMPY,
        server_expected_format=ExchangeFormat.NUMPY,
        memory_gc_rounds=gc_rounds,
    )


def fedavg(options: argparse.Namespace, file: Path) -> FedAvgRecipe:
    """Return FedAvg: cleaning up at the server and at the clients."""
    return FedAvgRecipe(
        model_persistor=persistor(file),
        min_clients=options.clients,
        num_rounds=options.rounds,
        train_script=TRAIN,
        framework=FrameworkType.NUMPY,
        server_memory_gc_rounds=options.gc_rounds,
        client_memory_gc_rounds=options.gc_rounds,
    )


def cyclic(options: argparse.Namespace, file: Path) -> CyclicRecipe:
    """Return cyclic weight transfer: cleaning up at the server and at the clients."""
    return CyclicRecipe(
        model=NumpyModel(file),
        min_clients=options.clients,
        num_rounds=options.rounds,
        train_script=TRAIN,
        framework=FrameworkType.NUMPY,
        server_memory_gc_rounds=options.gc_rounds,
        client_memory_gc_rounds=options.gc_rounds,
    )


def swarm(options: argparse.Namespace, file: Path) -> FedJob:
    """Return swarm learning: cleaning up in the clients' controllers and in the clients."""
    job = CCWFJob(name="swarm", min_clients=options.clients)
    job.add_swarm(
        SwarmServerConfig(num_rounds=options.rounds, min_clients=options.clients),
        SwarmClientConfig(
            executor=runner(options.gc_rounds),
            persistor=persistor(file),
            shareable_generator=SimpleModelShareableGenerator(),
            aggregator=InTimeAccumulateWeightedAggregator(expected_data_kind="WEIGHTS"),
            min_responses_required=options.clients,
            memory_gc_rounds=options.gc_rounds,
        ),
    )
    return job


def scaffold(options: argparse.Namespace, file: Path) -> FedJob:
    """Return SCAFFOLD: cleaning up at the server and at the clients."""
    job = FedJob(name="scaffold", min_clients=options.clients)
    job.to_server(persistor(file), id="persistor")
    job.to_server(
        Scaffold(num_clients=options.clients, num_rounds=options.rounds, memory_gc_rounds=options.gc_rounds)
    )
    job.to_clients(runner(options.gc_rounds, "--scaffold"))
    return job


#: Seconds between two requests for a task. NVFlare's own 2 s would make a run of 60 rounds take three minutes of waiting.
FETCH_S = 0.1

WORKFLOWS = {"fedavg": fedavg, "scaffold": scaffold, "cyclic": cyclic, "swarm": swarm}


def run(job: FedJob | Recipe, workspace: Path, clients: int) -> bool:
    """Run the job in the simulator; return whether that failed."""
    if isinstance(job, Recipe):
        job.add_server_config({"server": {"task_request_interval": FETCH_S}})
        job.add_client_config({"default_task_fetch_interval": FETCH_S})
        job.execute(
            SimEnv(num_clients=clients, workspace_root=str(workspace))
        )  # raises when the simulator fails
        return False
    job.to_server({"server": {"task_request_interval": FETCH_S}})
    job.to_clients({"default_task_fetch_interval": FETCH_S})
    SimEnv._ensure_default_component_policy(str(workspace))  # what SimEnv does before it runs a recipe's job
    return bool(job.simulator_run(str(workspace), n_clients=clients))


def main() -> int:
    """Run the workflow in a folder of its own; return 0 if the simulator says that it ended well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workflow", choices=WORKFLOWS)
    parser.add_argument("--gc-rounds", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--megabytes", type=float, default=8.0)
    options = parser.parse_args()
    watch = Roles()
    watch.start()
    with tempfile.TemporaryDirectory(prefix="leakaudit-nvflare-") as folder:
        file = Path(folder, "model.npy")
        np.save(file, np.zeros((int(options.megabytes * 2**18),), dtype=np.float32))
        failed = run(WORKFLOWS[options.workflow](options, file), Path(folder, "run"), options.clients)
    watch.tell()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
