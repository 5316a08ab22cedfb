"""Ray and the TransferQueue, once for all tests of verl."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_prestart_worker_first_driver", "0")


@pytest.fixture(scope="session")
def queue():
    """A real TransferQueue on a real Ray."""
    ray = pytest.importorskip("ray")
    tq = pytest.importorskip("transfer_queue")
    from omegaconf import OmegaConf

    # The queue's actors ask for CPUs that a small machine has not; without them verl's start would hang.
    ray.init(num_cpus=16, include_dashboard=False, log_to_driver=False, ignore_reinit_error=True)
    tq.init(OmegaConf.create({"backend": {"SimpleStorage": {"num_data_storage_units": 1}}}))
    yield tq
    tq.close()
    ray.shutdown()


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The tiny model."""
    from stage import model_folder

    return model_folder(tmp_path_factory.mktemp("model"))
