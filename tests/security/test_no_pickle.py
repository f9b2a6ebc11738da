"""Nothing that lies in a store, or in a model's folder, can run code when it is read."""

import ast
import io
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from memdec_core.errors import UserError
from memdec_core.models.model_loading import load_model
from storage.formats.array_files import CheckpointFiles, read_router
from storage.formats.index_files import open_index, open_keys
from storage.formats.token_shards import TokenReader
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import DamagedArtifact
from storage.store.artifact_store import Store
from tests.services.command_line import ROOT
from tests.support.artifacts import publish
from tests.support.tiny_models import tiny_model_folder

FOLDERS = ("memdec_core", "storage", "tasks", "flows")
UNPICKLE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
LOADERS = {"load", "read_pickle", "unpickle", "load_state_dict_from_url"}
REF = ArtifactRef(stage="memory", fingerprint="0" * 32)


class Trap:
    """Whoever unpickles this makes a file."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.sprung,)


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Trap]:
    """A trap that does work, and that has not been sprung at the end of the test."""
    proof = Trap(tmp_path / "proof")
    pickle.loads(pickle.dumps(proof))  # noqa: S301 - our own trap, to see that it works
    assert proof.sprung.exists()
    made = Trap(tmp_path / "sprung")
    yield made
    assert not made.sprung.exists(), "a pickle was loaded"


def pickled_array(trap: Trap) -> bytes:
    """A .npy file whose only value is a pickle."""
    buffer = io.BytesIO()
    np.save(buffer, np.array([trap], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def sources() -> Iterator[tuple[str, ast.Module]]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def dangers(tree: ast.Module) -> Iterator[str]:
    """What could unpickle or run foreign code, in a source file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in UNPICKLE)
        elif isinstance(node, ast.ImportFrom) and node.module in UNPICKLE:
            yield str(node.module)
        elif isinstance(node, ast.Call):
            yield from _danger_of(node)


def _danger_of(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    if name in ("torch.load", "np.load", "numpy.load"):
        safe = given.get("weights_only") == "True" or given.get("allow_pickle") == "False"
        if not safe:
            yield ast.unparse(call)
    if given.get("trust_remote_code", "False") != "False":
        yield ast.unparse(call)
    if name in ("eval", "exec", "yaml.load", "yaml.unsafe_load", "pd.read_pickle"):
        yield ast.unparse(call)
    automatic = name.startswith("Auto") and name.endswith((".from_pretrained", ".from_config"))
    if automatic and "trust_remote_code" not in given:
        yield ast.unparse(call)


def test_the_code_has_nothing_that_unpickles_or_trusts_foreign_code() -> None:
    found = {path: list(dangers(tree)) for path, tree in sources()}
    assert len(found) > 200
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "np.load(path, mmap_mode='r')",
        "model = AutoModel.from_pretrained(x, trust_remote_code=True)",
        "AutoTokenizer.from_pretrained(folder)",
        "yaml.load(text)",
    ],
)
def test_the_search_finds_what_it_looks_for(line: str) -> None:
    assert list(dangers(ast.parse(line)))


def test_a_pickle_among_tokens_is_refused(store: Store, trap: Trap) -> None:
    def fill(folder: Path) -> None:
        for name in ("tokens.npy", "lengths.npy"):
            (folder / name).write_bytes(pickled_array(trap))

    ref = publish(store, "tokens", {"train-00000": (fill, {})})
    with pytest.raises(DamagedArtifact, match="not an array"):
        TokenReader(store.readers(ref), "train")


def test_a_pickle_in_place_of_keys_or_an_index_is_refused(tmp_path: Path, trap: Trap) -> None:
    (tmp_path / "keys.npy").write_bytes(pickled_array(trap))
    with pytest.raises(ValueError, match="Python objects"):
        open_keys(tmp_path / "keys.npy")
    (tmp_path / "index.faiss").write_bytes(pickle.dumps(trap))
    with pytest.raises(DamagedArtifact, match="not a FAISS index"):
        open_index(tmp_path / "index.faiss")


def test_a_pickle_as_a_checkpoint_is_refused(store: Store, trap: Trap) -> None:
    files = CheckpointFiles(store.scratch(REF))
    files.save(1, {"weights": np.zeros(2, np.float32)}, {})
    (arrays,) = Path(store.root.folder or "").rglob("*.safetensors")
    arrays.write_bytes(pickle.dumps(trap))
    assert files.latest() is None  # its checksum is not the record's


def test_a_pickle_with_a_matching_checksum_is_refused_as_a_checkpoint(
    store: Store, trap: Trap
) -> None:
    def fill(folder: Path) -> None:
        (folder / "arrays.safetensors").write_bytes(pickle.dumps(trap))
        (folder / "facts.json").write_text("{}")

    store.scratch(REF).save("step-000000000001", fill)
    with pytest.raises(Exception, match=r"[Hh]eader"):
        CheckpointFiles(store.scratch(REF)).latest()


def test_a_pickle_as_a_models_weights_is_refused(tmp_path: Path, trap: Trap) -> None:
    folder = tiny_model_folder(tmp_path)
    (folder / "model.safetensors").write_bytes(pickle.dumps(trap))
    with pytest.raises(UserError, match="cannot be loaded"):
        load_model(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="safetensors"):
        load_model(folder)


def test_code_in_a_models_folder_is_not_run(tmp_path: Path, trap: Trap) -> None:
    folder = tiny_model_folder(tmp_path)
    config = (folder / "config.json").read_text()
    mapped = '"auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"},\n'
    (folder / "config.json").write_text(config.replace("{", "{" + mapped, 1))
    (folder / "own.py").write_text(f"import pathlib\npathlib.Path({str(trap.sprung)!r}).touch()\n")
    load_model(folder)


def test_a_pickle_as_a_router_is_refused(store: Store, trap: Trap) -> None:
    def fill(folder: Path) -> None:
        (folder / "router.safetensors").write_bytes(pickle.dumps(trap))
        (folder / "router.json").write_text("{}")

    ref = publish(store, "alpha_router", {"all": (fill, {})})
    with pytest.raises(Exception, match=r"[Hh]eader"):
        read_router(store.readers(ref)["all"])
