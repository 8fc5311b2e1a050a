"""A training killed in the middle of a stage goes on to the same bits; two processes share gradients; weights can be inherited."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cad.errors import ShokenError
from cad.networks import NetworkSpec
from cad.train.checkpoints import Checkpoints
from cad.train.loop import Kept, Schedule, fit, new_network, rate_at
from cad.train.losses import WithDistance, rare_centres
from cad.train.transfer import Start

SPEC = NetworkSpec("centre", 3, 1, 2, (4, 6))
STEPS = 12


def sample(rng):
    return rng.random((2, 1, 8, 8, 8), dtype=np.float32), (rng.random((2, 2, 4, 4, 4)) > 0.9).astype(np.float32)


def trained(kept=None, sampler=sample, watch=None, schedule=None):
    schedule = schedule or Schedule(STEPS, 3, watch_every=5)
    return fit(new_network(SPEC, 3), sampler, WithDistance(rare_centres("hard-negatives")), schedule, lambda _: None, kept, watch)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from test_training_resumes import Kept, Path, sample, trained
drawn = []
def deadly(rng):
    drawn.append(1)
    if len(drawn) == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    return sample(rng)
trained(Kept(Path(sys.argv[1]), every=4), deadly)
"""


def test_killed_within_a_stage_it_goes_on_to_the_same_bits(tmp_path):
    kept = Kept(tmp_path / "running.safetensors", every=4)
    died = subprocess.run([sys.executable, "-c", KILLED, str(kept.path), str(Path(__file__).parent)], env=os.environ, check=False)
    assert died.returncode == -signal.SIGKILL
    assert kept.path.is_file()
    drawn = []

    def counted(rng):
        drawn.append(1)
        return sample(rng)

    resumed, whole = trained(kept, counted), trained()
    assert len(drawn) == STEPS - 8
    assert resumed.losses == whole.losses
    assert same(resumed.network, whole.network)


def test_the_best_weights_are_kept_and_no_better_figure_ends_it():
    figures = iter([0.1, 0.9, 0.5, 0.4, 0.3, 0.2])
    seen = []

    def watch(network):
        seen.append({key: value.clone() for key, value in network.state_dict().items()})
        return next(figures)

    fitted = trained(watch=watch, schedule=Schedule(100, 3, watch_every=2, patience=3))
    assert [figure for _, figure in fitted.watched] == [0.1, 0.9, 0.5, 0.4, 0.3]
    assert len(fitted.losses) == 10
    assert all(torch.equal(value, fitted.network.state_dict()[key]) for key, value in seen[1].items())


def test_half_precision_learns_too():
    schedule = Schedule(4, 3, precision="bfloat16")
    fitted = fit(
        new_network(NetworkSpec("centre", 3, 1, 2, (16, 32)), 3), sample, WithDistance(rare_centres("focal")), schedule, lambda _: None
    )
    assert np.isfinite(fitted.losses).all()
    assert all(value.dtype != torch.bfloat16 for value in fitted.network.state_dict().values())


def test_the_rate_rises_and_falls():
    rates = [rate_at(step, Schedule(100, 0, 1e-2)) for step in range(100)]
    assert rates[0] < 1e-3
    assert max(rates) == pytest.approx(1e-2, rel=0.01)
    assert rates[-1] < 1e-4


def test_a_finished_stage_clears_the_steps_it_was_kept_in(tmp_path):
    stages = Checkpoints(tmp_path, "identity")
    kept = Kept(stages.running("propose-0"), every=4)
    first = stages.stage("propose", SPEC, lambda: trained(kept))
    assert not kept.path.is_file()
    again = stages.stage("propose", SPEC, lambda: pytest.fail("trained twice"))
    assert same(first.network, again.network)
    assert again.losses == first.losses


def test_inherited_weights_begin_where_they_ended_and_the_frozen_front_stays():
    old = trained().network
    network = Start({"propose": old}, frozen=0.5, source="lung 1", sha256="0").applied("propose", new_network(SPEC, 9))
    assert same(old, network)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    after = fit(network, sample, WithDistance(rare_centres("focal")), Schedule(3, 1), lambda _: None).network.state_dict()
    assert torch.equal(before["stem.0.weight"], after["stem.0.weight"])
    assert torch.equal(before["stem.1.running_mean"], after["stem.1.running_mean"])
    assert not torch.equal(before["head.weight"], after["head.weight"])


def test_weights_of_another_shape_are_refused():
    start = Start({"propose": new_network(NetworkSpec("centre", 3, 1, 1, (4, 6)), 1)}, source="lung 1")
    with pytest.raises(ShokenError, match="lung 1 propose"):
        start.applied("propose", new_network(SPEC, 9))
    assert start.applied("triage", network := new_network(SPEC, 9)) is network


DISTRIBUTED = """
import os, sys
sys.path.insert(0, sys.argv[1])
import torch
from test_training_resumes import trained
network = trained().network
flat = torch.cat([value.detach().flatten() for value in network.parameters()])
other = [torch.zeros_like(flat) for _ in range(2)]
torch.distributed.all_gather(other, flat)
assert torch.equal(*other), "the processes ended with different weights"
torch.distributed.barrier()
os._exit(0)  # the interpreter's end now and then meets a thread of Gloo that still runs, and aborts
"""


def test_two_processes_that_draw_apart_end_with_the_same_weights():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**os.environ, "OMP_NUM_THREADS": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, "-c", DISTRIBUTED, str(Path(__file__).parent)]
    both = [subprocess.Popen(command, env={**shared, "RANK": str(rank)}, stderr=subprocess.PIPE, text=True) for rank in range(2)]
    said = [process.communicate(timeout=600)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
