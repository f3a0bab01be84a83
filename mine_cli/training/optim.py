"""Adam, its step without the bookkeeping of an optimiser, and the schedule of its rate."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.optim.adamw import AdamW, adamw

from mine_cli.config.schemas import TrainerConf

__all__ = [
    "Adam",
    "adam",
    "descend",
    "learning_rate",
    "load_moments",
    "moments",
    "set_gradient",
    "set_rate",
]

# Where an exponential schedule ends, as a share of the peak: 0.97 every second of 200 epochs, the
# schedule of the deep variational bottleneck's authors, ends at 0.048.
LAST_SHARE = 0.05
Method = TypeVar("Method", bound=Callable[..., object])


def learning_rate(
    step: int, steps: int, peak: float, warmup: float, schedule: str = "cosine"
) -> float:
    """Returns the rate of a step: linear warm-up over a share of the steps, then the schedule.

    Arguments:
        step: The step that is about to be taken: 1, 2, ..., steps.
        steps: How many there are.
        peak: The largest rate.
        warmup: The share of the steps before the peak.
        schedule: What follows: ``cosine`` (half a cosine down to zero), ``linear`` (a straight
            line down to zero), ``exponential`` (down to a twentieth) or ``constant``.
    """
    rising = warmup * steps
    if step < rising:
        return peak * step / rising
    if steps <= rising or schedule == "constant":
        return peak
    done = (step - rising) / (steps - rising)
    if schedule == "exponential":
        return peak * LAST_SHARE**done
    return peak * (1.0 - done if schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * done)))


def set_rate(optimizer: torch.optim.Optimizer, conf: TrainerConf, step: int) -> None:
    """Gives an optimiser the rate of a step, by the run's schedule.

    The rate that a group of parameters was given at first is its peak.
    """
    for group in optimizer.param_groups:
        peak = group.setdefault("initial_lr", group["lr"])
        rate = learning_rate(step, conf.steps, peak, conf.warmup, conf.schedule)
        if isinstance(group["lr"], Tensor):  # where a recorded step will look for it
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def undecorated(method: Method) -> Method:
    """Returns a method of torch's without what keeps its compiler from tracing it."""
    return getattr(method, "__wrapped__", method)


class Adam(AdamW):
    """torch's AdamW, none of whose methods imports torch's compiler.

    They do it at their first call, to keep the compiler from tracing them; none is ever compiled
    here, and the import takes longer than many a training.
    """

    add_param_group = undecorated(AdamW.add_param_group)
    zero_grad = undecorated(AdamW.zero_grad)
    state_dict = undecorated(AdamW.state_dict)
    load_state_dict = undecorated(AdamW.load_state_dict)
    step = torch.no_grad()(undecorated(AdamW.step))


def adam(
    parameters: Iterable[Any],
    lr: float,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.999),
) -> Adam:
    """Returns Adam with decoupled weight decay, fused where the device has it.

    Parameters may come in groups with rates of their own.
    """
    parameters = list(parameters)
    tensors = [p for g in parameters for p in (g["params"] if isinstance(g, dict) else [g])]
    fused = all(p.device.type in ("cpu", "cuda", "mps") for p in tensors)
    return Adam(parameters, lr=lr, betas=betas, weight_decay=weight_decay, fused=fused)


def moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Returns what an optimiser remembers and its rates as tensors alone, for a state dict."""
    found = {
        f"{i}.{name}": torch.as_tensor(value)
        for i, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
        if value is not None
    }
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    return found | {"lr": torch.tensor(rates, dtype=torch.float64)}


def load_moments(optimizer: torch.optim.Optimizer, saved: Mapping[str, Tensor]) -> None:
    """Puts `moments` back into an optimiser of the same kind and parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in saved.items():
        if key != "lr":
            i, _, name = key.partition(".")
            state.setdefault(int(i), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    for group, rate in zip(optimizer.param_groups, saved["lr"].tolist(), strict=True):
        group["lr"] = rate


@torch.no_grad()
def set_gradient(parameter: Tensor, gradient: Tensor) -> None:
    """Gives a parameter its gradient, laid out in memory as the parameter is.

    ``backward`` sees to that, ``torch.autograd.grad`` does not, and torch's fused Adam takes it
    for granted: by a gradient that is a transposed view it moves the wrong weights, in silence.
    """
    if gradient.stride() != parameter.stride():
        gradient = torch.empty_like(parameter).copy_(gradient)
    parameter.grad = gradient


@torch.no_grad()
def descend(optimizer: AdamW) -> None:
    """Takes one step of `adam`: what ``optimizer.step()`` does, bit for bit.

    A CUDA graph can record it, while ``optimizer.step()`` refuses to be recorded unless the
    optimiser is ``capturable``, and then warns of each step that is not. For the seven tensors of
    a small network on a CPU it takes 0.7 of the optimiser's own 80 microseconds; of a whole step
    of training that is 0.02 to 0.05.
    """
    for group in optimizer.param_groups:
        moved = [p for p in group["params"] if p.grad is not None]
        states = [optimizer.state[p] for p in moved]
        if not (group["fused"] and all(states)):
            optimizer.step()  # of all groups, which makes the states, the first time
            return
        beta1, beta2 = group["betas"]
        adamw(
            moved,
            [p.grad for p in moved],
            [s["exp_avg"] for s in states],
            [s["exp_avg_sq"] for s in states],
            [],
            [s["step"] for s in states],
            fused=True,
            amsgrad=False,
            maximize=False,
            beta1=beta1,
            beta2=beta2,
            **{name: group[name] for name in ("lr", "eps", "weight_decay")},
        )
