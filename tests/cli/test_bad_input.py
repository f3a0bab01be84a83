"""What cannot be run is refused in one line a fault, before any folder exists."""

import contextlib
import errno
import os
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch

from mine_cli.data.tables.table import KINDS
from mine_cli.networks.classifier import DigitClassifier, save_classifier
from mine_cli.results import checkpoint
from tests.config.test_resume import SMALL, VARIANTS, found
from tests.image_folders import write_images
from tests.inside import answer
from tests.program import run, started

X = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of every bad kind, and what is no run of ours; the refused runs leave it as it is."""
    folder = tmp_path_factory.mktemp("bad")
    arrays: dict[str, dict[str, Any]] = {
        "good": {"x": X, "z": X + 1},
        "objects": {"x": X.astype(object), "z": X},
        "nan": {"x": np.where(np.arange(500)[:, None] == 3, np.nan, X), "z": X},
        "uneven": {"x": X, "z": X[:400]},
        "few": {"x": X[:30], "z": X[:30]},
        "constant": {"x": X * 0 + 1, "z": X},
    }
    for name, given in arrays.items():
        np.savez(folder / f"{name}.npz", **given)
    (folder / "cut.npz").write_bytes((folder / "good.npz").read_bytes()[:900])
    np.save(folder / "objects.npy", X.astype(object))
    np.save(folder / "good.npy", X)
    rest = "1,2\n" * 200
    (folder / "short.csv").write_text(f"a,b\n1,2\n3\n{rest}")
    (folder / "word.csv").write_text(f"a,b\n1,2\nmany,3\n{rest}")
    labels = "".join(f"{i / 7},{i % 2}\n" for i in range(500))
    (folder / "labels.csv").write_text(f"a,b\n{labels}")
    (folder / "latin.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    (folder / "empty.csv").touch()
    (folder / "folder.csv").mkdir()
    (folder / "bad.parquet").write_bytes(b"PAR1 and then nothing of the kind")
    (folder / "book.xlsx").touch()
    other = folder / "other"
    (other / ".hydra").mkdir(parents=True)
    (other / ".hydra" / "config.yaml").write_text("model: {name: resnet}\n")
    (other / "checkpoints").mkdir()
    (other / "checkpoints" / "last.pt").write_bytes(pickle.dumps({"state": 1}))
    (folder / "taken" / ".hydra").mkdir(parents=True)
    (folder / "swept").mkdir()
    (folder / "swept" / "sweep.json").write_text('{"schema": 1}')
    write_images(folder / "images")
    write_classifiers(folder)
    return folder


def write_classifiers(folder: Path) -> None:
    """An untrained classifier that is said to be good, and two files that hold none."""
    save_classifier(folder / "untrained.pt", DigitClassifier(), "mnist", 0.99)
    (folder / "cut.pt").write_bytes((folder / "untrained.pt").read_bytes()[:9000])
    other = checkpoint.load(folder / "untrained.pt")
    other["weights"]["layers.0.bias"][0] += 0.01
    checkpoint.save(folder / "changed.pt", other)


def refused(folder: Path, code: int, *arguments: str, **options: Any) -> str:
    """What the program says, which ends with this code and touches nothing."""
    before = sorted(folder.rglob("*"))
    if options:
        done = run(folder, *arguments, **options)
        found, out, err = done.returncode, done.stdout, done.stderr
    else:
        with contextlib.chdir(folder):
            found, out, err = answer(list(arguments))
    assert found == code, err
    assert out == ""
    assert "Traceback" not in err
    assert sorted(folder.rglob("*")) == before
    return err


ARRAYS = "dataset=arrays dataset.path="
COLUMNS = "dataset.x=a dataset.z=b"
STACKS = "task=gan dataset=stacked_mnist data_dir=images dataset.classifier="
FAULTS = {
    "dataset.rho=1": "dataset.rho=1.0: must lie strictly between -1 and 1, or null",
    "dataset.rho=-2": "dataset.rho=-2.0: must lie strictly between -1 and 1, or null",
    "dataset.n=500": "trainer.batch_size=512: must be at most 355, the rows that dataset.n=500 "
    "leaves for fitting",
    "dataset.n=900 folds=2": "trainer.batch_size=512: must be at most 400, the rows that "
    "dataset.n=900 leaves for fitting",
    f"{ARRAYS}good.npz trainer.batch_size=512 folds=1": "trainer.batch_size=512: larger than the "
    "400 rows that train; want at most 400",
    "trainer.device=cuda:77": "trainer.device=cuda:77: there is no such device here; one of "
    "auto, ",
    "trainer.device=tpu": "trainer.device=tpu: must be one of auto, cpu, mps, cuda, cuda:N",
    "bound=infonce marginals=shuffle": "marginals=shuffle: bound=infonce needs "
    "marginals=all_pairs",
    "network=conv": "network conv: x must be an image (channels, height, width), not of shape "
    "(2,); network=mlp takes any shape",
    "dataset=arrays": "dataset.path: missing; give dataset.path=...",
    f"{ARRAYS}absent.npz": f"dataset.path=absent.npz: no such file: want {KINDS}",
    f"{ARRAYS}book.xlsx": f"dataset.path=book.xlsx: want {KINDS}",
    f"{ARRAYS}cut.npz": "cut.npz: not a readable .npz file: it is not a zip archive, or cut short",
    f"{ARRAYS}objects.npz": "objects.npz array x: Python objects, which are never unpickled: "
    "want plain numbers",
    f"{ARRAYS}[objects.npy,good.npy]": "objects.npy: Python objects, which are never unpickled: "
    "want plain numbers",
    f"{ARRAYS}nan.npz": "nan.npz: x: NaN or infinite in row 4: want numbers",
    f"{ARRAYS}uneven.npz": "uneven.npz: rows: x has 500, z has 400: want as many in each",
    f"{ARRAYS}few.npz": "few.npz: 30 rows: want at least 100",
    f"{ARRAYS}constant.npz": "constant.npz: x[0], x[1]: the same value in every row: want it left "
    "out",
    f"{ARRAYS}good.npz dataset.x=q": "dataset.x=q: not there: good.npz has x, z",
    f"{ARRAYS}good.npz dataset.test_path=few.npz": "dataset.test_path: only task=infobottleneck "
    "has a test set; leave it out",
    f"{ARRAYS}short.csv {COLUMNS}": "short.csv line 3: 1 cells: want 2, as in line 1",
    f"{ARRAYS}word.csv {COLUMNS}": "word.csv line 3, column a: 'many' is no number: want a number",
    f"{ARRAYS}latin.csv {COLUMNS}": "latin.csv: its text is not UTF-8, but perhaps Latin-1",
    f"{ARRAYS}empty.csv {COLUMNS}": "empty.csv line 1: empty: want a line of column names",
    f"{ARRAYS}folder.csv {COLUMNS}": f"dataset.path=folder.csv: not a file: want {KINDS}",
    f"{ARRAYS}bad.parquet {COLUMNS}": "bad.parquet: not a readable .parquet file: ",
    "hydra.run.dir=taken": "hydra.run.dir=taken: already holds a run; name another folder, or go "
    "on with that run: mine-run resume=taken",
    "hydra.run.dir=swept": "hydra.run.dir=swept: holds a sweep; name another folder",
    "hydra.run.dir=word.csv": "hydra.run.dir=word.csv: word.csv is a file; name another folder",
    "resume=other": "resume=other: not the folder of a mine-run run; want one whose "
    ".hydra/config.yaml mine-run wrote",
    "resume=absent": "resume=absent: no such folder; want the folder of an earlier run",
    "+dataset.roh=1": "dataset.roh: no such key; want one of dim, rho, mi, cube, n, seed",
    "network=null": "network=null: want one of its options, or leave it out",
    "task=gan task.code_dim=5 task.latent_dim=4": "task.code_dim=5: larger than the latent, which "
    "has task.latent_dim=4; want at most 4",
    "task=gan task.code_dim=3": "task.code_dim=3: larger than the latent, which has "
    "task.latent_dim=2; want at most 2",
    "task=gan task.beta=-1": "task.beta=-1.0: must be at least 0",
    "task=gan task.clip=norm": "task.clip=norm: must be one of global, tensor, none",
    "task=gan trainer.steps=null": "trainer.steps=null: task=gan does not settle it",
    "task=ali trainer.batch_size=null": "trainer.batch_size=null: task=ali does not settle it; ",
    "task=infobottleneck trainer.lr=null": "trainer.lr=null: task=infobottleneck does not settle",
    "task=infobottleneck dataset.outliers=mnist": "dataset.outliers=mnist: the data set itself; ",
    "task=infobottleneck dataset.outliers=cifar": "dataset.outliers=cifar: must be one of mnist, ",
    "task=ali dataset=mnist dataset.outliers=mnist": "dataset.outliers=mnist: only "
    "task=infobottleneck looks at outliers; leave it out",
    "task=ali dataset=image_folder": "dataset.path: missing; give dataset.path=...",
    "task=ali dataset=image_folder dataset.path=absent": "dataset.path=absent: no such folder; "
    "want one with pictures",
    "task=ali dataset=image_folder dataset.path=. dataset.workers=-1": "dataset.workers=-1: must "
    "be at least 0",
    "task=gan dataset=image_folder dataset.path=.": "dataset=image_folder: task=gan takes one of ",
    "task=gan folds=3": "folds=3: only task=mi-estimate splits its data; leave it out",
    "task=gan dataset=gaussian": "dataset=gaussian: task=gan takes one of gaussian_grid, ",
    "dataset=mnist": "dataset=mnist: task=mi-estimate takes one of gaussian, ",
    "dataset=spiral": "dataset=spiral: task=mi-estimate takes one of gaussian, ",
    "sweep_dir=null": "sweep_dir=null: want a folder, or leave it out",
    "-m seed=range(0,10,0)": "seed=range(0,10,0): has no end; want a step to it",
    "-m seed=range(0,inf)": "seed=range(0,inf,1): has no end; want a step to it",
    "-m seed=range(1,1e9)": "seed: 999,999,999 values, for 999,999,999 jobs in all; want at most "
    "100,000 jobs in one sweep",
    "-m seed=range(400) trainer.steps=range(1,300) bound=mine,dv": "seed: 400 values, for 239,200 "
    "jobs in all; want at most 100,000 jobs in one sweep",
    "-m seed=0,1 sweep_dir=": "sweep_dir=: want a folder, or leave it out",
    "task=gan generator=dcgan": "generator dcgan: made for images of shape (1, 28, 28) or "
    "(3, 28, 28), or of 32 or 64 pixels, not (2,); generator=fully_connected takes any shape",
    "task=gan network=conv": "network conv: x must be an image (channels, height, width), not of "
    "shape (2,); network=mlp takes any shape",
    "task=infobottleneck method.beta=-1": "method.beta=-1.0: must be at least 0",
    "task=infobottleneck encoder.sigma=0": "encoder.sigma=0.0: must be positive and finite",
    "task=infobottleneck task.sees=x": "task.sees=x: must be one of code, input",
    "task=infobottleneck method=none method.beta=1": "method.beta=1: method=none has no "
    "information term to weigh; want method=vib or one of mine_gaussian, ",
    "task=infobottleneck method=vib encoder=additive": "encoder=additive: method=vib needs a "
    "known law: want encoder=gaussian",
    "task=infobottleneck dataset=gaussian": "dataset=gaussian: task=infobottleneck takes one of "
    "mnist, ",
    "task=infobottleneck folds=3": "folds=3: only task=mi-estimate splits its data; leave it out",
    "task=infobottleneck data_dir=images trainer.batch_size=300": "trainer.batch_size=300: larger "
    "than the 225 rows that train; want at most 225",
    "task=infobottleneck dataset=arrays dataset.path=labels.csv dataset.x=a dataset.z=b "
    "dataset.test_path=labels.csv": "dataset.test_path=labels.csv: ",
    f"{STACKS}absent.pt": "dataset.classifier=absent.pt: no such file; train one first: mine-run "
    "task=classifier\n",
    f"{STACKS}absent.pt dataset.name=fashion_mnist": "dataset.classifier=absent.pt: no such file; "
    "train one first: mine-run task=classifier dataset.name=fashion_mnist\n",
    f"{STACKS}untrained.pt dataset.name=fashion_mnist": "dataset.classifier=untrained.pt: a "
    "classifier of mnist, not fashion_mnist; train one: mine-run task=classifier dataset.name=f",
    f"{STACKS}cut.pt": "dataset.classifier=cut.pt: not a readable classifier; train one: mine-run",
    f"{STACKS}changed.pt": "dataset.classifier=changed.pt: a damaged classifier; train it anew: ",
}


@pytest.mark.parametrize("arguments", FAULTS)
def test_a_fault_is_one_line_and_exit_2(arguments: str, folder: Path) -> None:
    said = refused(folder, 2, *arguments.split())
    assert said.startswith(f"mine-run: {FAULTS[arguments]}")
    assert said.count("\n") == 1


def test_a_classifier_is_measured_not_believed(folder: Path) -> None:
    """Its file says 99 %."""
    said = refused(folder, 2, *f"{STACKS}untrained.pt".split())
    (share,) = re.findall(
        r"reads ([\d.]+)% of the test images of mnist right: want at least 98%", said
    )
    assert float(share) < 50
    assert said.endswith("train it anew: mine-run task=classifier\n")


HYDRAS = {
    "dataset.roh=1": "mine-run: dataset.roh: no such key; want one of dim, rho, mi, cube, n, seed"
    "; did you mean rho?\n",
    "-m sweepdir=a seed=1,2": "; did you mean sweep_dir?\n",
    "sede=1": "mine-run: sede: no such key; want one of seed, deterministic, ",
    "network=resnet": "mine-run: network=resnet: no such option; want one of bilinear, "
    "conditioned_conv, conv, conv_mlp, mlp, mlp_deep, mlp_shallow, mlp_wide, noisy_mlp, ",
    "bound=minef": "of dv, infonce, js, mine, mine_f, smile, tuba; did you mean mine_f?\n",
    "-m bound=minef seed=1,2": "mine-run: bound=minef: no such option; want one of dv",
    "experiment=gan/spirals": "more, which --help lists; did you mean gan/spiral?\n",
    "hydra/launcher=fast": "mine-run: hydra/launcher=fast: no such option; want one of basic",
    "trainer.steps=many": "Value 'many' of type 'str' could not be converted to Integer",
    "network.widths=3": "mine-run: network.widths=3: Invalid value assigned: int",
    "trainer.compile=maybe": "Value 'maybe' is not a valid bool",
    "-cd absent": "mine-run: -cd absent: no such folder\n",
}


@pytest.mark.parametrize("arguments", HYDRAS)
def test_what_hydra_refuses_is_bad_input(arguments: str, folder: Path) -> None:
    said = refused(folder, 2, *arguments.split())
    assert HYDRAS[arguments] in said
    assert said.startswith("mine-run:")
    assert said.count("\n") == 1


def test_several_faults_are_told_at_once(folder: Path) -> None:
    arguments = "dataset.rho=3 trainer.lr=0 folds=0 split=odd task.fractions=[1,1,1]"
    said = refused(folder, 2, *arguments.split(), "network.widths=[]")
    assert said.splitlines() == [
        "mine-run: folds=0: must be at least 1, or null",
        "mine-run: split=odd: must be random, blocks or groups:COLUMN",
        "mine-run: task.fractions=[1.0, 1.0, 1.0]: must be three positive shares (fit, select, "
        "report) with sum 1",
        "mine-run: dataset.rho=3.0: must lie strictly between -1 and 1, or null",
        "mine-run: network.widths=[]: must be a list that is not empty; each element must be at "
        "least 1",
        "mine-run: trainer.lr=0.0: must be positive and finite, or null",
    ]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_a_gpu_that_is_not_there(folder: Path) -> None:
    said = refused(folder, 2, "trainer.device=cuda")
    assert said == (
        "mine-run: trainer.device=cuda: there is no such device here; one of auto, cpu\n"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_what_may_not_be_read_or_written(tmp_path: Path) -> None:
    file = tmp_path / "closed.csv"
    file.write_text("a,b\n" + "1,2\n" * 200)
    file.chmod(0)
    said = refused(tmp_path, 2, *f"{ARRAYS}closed.csv {COLUMNS}".split())
    assert (
        said == "mine-run: closed.csv: not a readable .csv file: " + said.rpartition("file: ")[2]
    )
    tmp_path.chmod(0o500)
    said = refused(tmp_path, 2, "trainer=smoke")
    assert said.endswith("is not writable; name another folder\n")
    tmp_path.chmod(0o700)


def no_network() -> None:
    """Every download fails at once, as it does where no network is."""

    def down(*_: object, **__: object) -> None:
        raise URLError("no route")

    import torchvision.datasets.mnist

    torchvision.datasets.mnist.download_and_extract_archive = down


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ["dataset=image_label", f"{STACKS}untrained.pt"])
def test_missing_images_without_a_network(arguments: str, folder: Path) -> None:
    given = [a for a in arguments.split() if not a.startswith("data_dir=")]
    said = refused(folder, 2, *given, "data_dir=absent", before=no_network)
    assert said.count("\n") == 1
    files = [f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3", "labels-")]
    assert all(file in said for file in files)
    assert said.startswith("mine-run: absent/MNIST/raw: ")
    assert "want them in that folder, or data_dir set to where MNIST/raw holds them" in said


def test_a_checkpoint_of_another_program(tmp_path: Path) -> None:
    done = run(tmp_path, *SMALL, *VARIANTS["fresh"], "trainer.steps=5")
    assert done.returncode == 0
    last = tmp_path / "run" / "checkpoints" / "last.pt"
    torch.save({"state_dict": {}}, last)
    content = last.read_bytes()
    done = run(tmp_path, "resume=run")
    assert done.returncode == 2
    assert done.stderr == (
        "mine-run: run/checkpoints/last.pt: a file of another program or version; expected a "
        "checkpoint written by mine-run (checkpoints/last.pt or best.pt of a run)\n"
    )
    assert last.read_bytes() == content


# A full disk


def full_from(number: int) -> None:
    """Makes the disk full from the n-th renaming of a finished file on."""
    made, replace = 0, os.replace

    def counted(*arguments: Any) -> None:
        nonlocal made
        made += 1
        if made >= number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(*arguments)

    os.replace = counted


@pytest.mark.slow
@pytest.mark.parametrize("number", [3, 8])
def test_full_disk_under_a_checkpoint(number: int, tmp_path: Path) -> None:
    """The third file is the first checkpoint; after that the run resumes."""
    arguments = (*SMALL, *VARIANTS["fresh"])
    done = run(tmp_path, *arguments, before=partial(full_from, number))
    check_full(tmp_path, done)
    there = (tmp_path / "run" / "checkpoints" / "last.pt").exists()
    assert there == ("intact" in done.stderr) == (number > 3)
    assert run(tmp_path, "resume=run").returncode == 0
    assert run(tmp_path, *arguments, "hydra.run.dir=other").returncode == 0
    assert found(tmp_path / "run") == found(tmp_path / "other")


def check_full(folder: Path, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1
    assert done.stderr.startswith(f"mine-run: cannot write {folder / 'run'}")
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not any(folder.rglob(".*.tmp"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small tmpfs")
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "wanted",
    [
        ("trainer.tensorboard=false",),
        ("trainer.tensorboard=true", "trainer.checkpoint_every=100000"),
        ("trainer.tensorboard=false", "trainer.checkpoint_every=100000"),
    ],
    ids=["checkpoint", "charts", "metrics"],
)
def test_a_small_disk_that_fills(wanted: tuple[str, ...], small_disk: Path) -> None:
    """What fills it is removed, and the run resumes to the end of one that had room enough."""
    arguments = (*SMALL, *VARIANTS["fresh"], "trainer.steps=800", *wanted)
    filler = small_disk / "filler"
    run_folder = small_disk / "run"
    with started(small_disk, *arguments) as program:
        program.wait_until((run_folder / "checkpoints" / "last.pt").exists)
        time.sleep(0.1)
        fill(filler)
        program.wait()
        done = subprocess.CompletedProcess((), program.wait(), program.stdout, program.stderr)
    check_full(small_disk, done)
    assert not (run_folder / "result.json").exists()
    torch.load(run_folder / "checkpoints" / "last.pt", weights_only=True)
    filler.unlink()
    done = run(small_disk, "resume=run")
    assert done.returncode == 0, done.stderr
    outside = small_disk.parent / "outside"
    outside.mkdir()
    assert run(outside, *arguments).returncode == 0
    assert found(run_folder) == found(outside / "run")


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as stream:
        while True:
            try:
                stream.write(bytes(4096))
            except OSError:
                return


@pytest.mark.parametrize(
    ("target", "told"),
    [("own.Produkt", "No module named 'own.Produkt'"), ("lost.Net", "No module named 'lost'")],
)
def test_a_class_of_ones_own_that_is_not_there(target: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("class Product: pass\n")
    options = tmp_path / "conf" / "network"
    options.mkdir(parents=True)
    (options / "own.yaml").write_text(f"_target_: {target}\n")
    done = run(tmp_path, "-cd", "conf", "network=own")
    assert done.returncode == 2
    assert f"network: {target}: Error loading" in done.stderr
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
