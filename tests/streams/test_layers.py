"""Who may know whom, read from the imports themselves."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from streams import pipeline

ROOT = Path(__file__).parents[2]


def imports_of(path):
    """The modules a file imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def importers_of(package, folder):
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*.py")
        if any(name.split(".")[0] == package for name in imports_of(path))
    }


def test_only_the_adapter_knows_faust():
    assert importers_of("faust", "streams") | importers_of("mode", "streams") == {"streams/adapter.py"}


@pytest.mark.parametrize(
    "package", ["streams", "faust", "aiokafka", "aiohttp", "sqlalchemy", "pymilvus", "time", "socket"]
)
def test_models_know_no_pipeline_no_network_and_no_clock(package):
    assert not [path for path in importers_of(package, "models") if not path.startswith("models/training/")]


def test_only_the_networks_the_separator_and_their_training_know_torch():
    known = {*importers_of("torch", "models"), *importers_of("safetensors", "models")}
    networks = {
        f"models/{name}.py" for name in ("network", "rhythm_network", "separate", "separators", "unet", "voice_network")
    }
    assert {path for path in known if not path.startswith("models/training/")} == networks
    assert importers_of("torch", "streams") == set()


def test_nothing_that_runs_knows_how_the_weights_were_trained():
    files = [path for folder in ("streams", "models") for path in (ROOT / folder).rglob("*.py")]
    outside = [path for path in files if "training" not in path.parts]
    assert not [path for path in outside if any(name.startswith("models.training") for name in imports_of(path))]


def test_what_the_heavy_child_answers_brings_no_torch_into_its_worker():
    code = """
import pickle, sys
from models.hear import Separated
from models.presence import Presence
answer = Separated(b"", None, {"vocals": Presence(0.0, 0.0, 0.0, False)})
pickle.loads(pickle.dumps(answer))
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_worker_leaves_torch_to_its_heavy_child():
    agents = ", ".join(f"streams.agents.{stage.name}" for stage in pipeline.STAGES)
    code = f"import sys, streams.worker, {agents}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("package", ["faust", "aiokafka", "sqlalchemy", "pymilvus", "obstore", "prometheus_client"])
def test_agents_know_no_machinery(package):
    assert importers_of(package, "streams/agents") == set()


def test_every_stage_has_its_agent_and_every_agent_its_stage():
    agents = {path.stem for path in (ROOT / "streams" / "agents").glob("*.py")} - {"__init__"}
    assert agents == {stage.name for stage in pipeline.STAGES}


def test_an_agent_fits_on_a_screen_or_two():
    for path in (ROOT / "streams" / "agents").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 200, path.name


def test_the_api_loads_neither_faust_nor_anything_that_hears():
    heavy = ("faust", "librosa", "torch", "numba", "scipy")
    code = f"import sys, streams.api.app; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
