"""Every figure and table of the paper, in its order."""

import ablations
import bottlenecks
import equitability
import gaussians
import generators
import growth
from plan import Row, Sweep

__all__ = ["MISSING", "ROWS"]

FEW = ("trainer.steps=60", "trainer.evaluate_every=30", "task.pairs=20000", "seed=0,1")
FEW_GAN = ("trainer.steps=60", "trainer.evaluate_every=30", "seed=0")

ROWS: dict[str, Row] = {
    "fig1": Row(
        "Figure 1: mutual information of Gaussians",
        "MINE and MINE-f against the k-nearest-neighbour estimate of Kraskov et al., over the "
        "correlation of the components, in 2 and in 20 dimensions.",
        {
            "smoke": {
                "fig1": Sweep(
                    "paper/fig1", 60, (*FEW, "dataset.rho=-0.7,0.5,0.99", "task.report_rows=5000")
                )
            },
            "cpu": {"fig1": Sweep("paper/fig1", 1800)},
            "gpu": {"fig1": Sweep("paper/fig1", 900)},
        },
        gaussians.gather,
        gaussians.draw,
        gaussians.judge,
        {"smoke": 60, "cpu": 180, "gpu": 180},
    ),
    "fig1_steps": Row(
        "Figure 2 of the earlier version: estimate against training steps",
        "MINE's estimate settles at the truth, in 2 and in 50 dimensions.",
        {
            "smoke": {"steps": Sweep("paper/fig1_steps", 30, FEW)},
            "cpu": {"steps": Sweep("paper/fig1_steps", 240)},
            "gpu": {"steps": Sweep("paper/fig1_steps", 120)},
        },
        gaussians.gather_steps,
        gaussians.draw_steps,
        gaussians.judge_steps,
    ),
    "fig2": Row(
        "Figure 2: equitability",
        "The information of Y = f(X) + noise, as MINE sees it, depends on the noise and not on f.",
        {
            "smoke": {"fig2": Sweep("paper/fig2", 40, FEW)},
            "cpu": {"fig2": Sweep("paper/fig2", 240)},
            "gpu": {"fig2": Sweep("paper/fig2", 120)},
        },
        equitability.gather,
        equitability.draw,
        equitability.judge,
    ),
    "scaling": Row(
        "The abstract: linear scalability",
        "MINE is linearly scalable in dimension and in sample size.",
        {
            budget: {
                name: Sweep(f"paper/scaling_{name}", 60, ("hydra/launcher=basic", *few))
                for name in ("dim", "n")
            }
            for budget, few in {
                "smoke": ("trainer.steps=20", "trainer.evaluate_every=20", "seed=0"),
                "cpu": (),
                "gpu": (),
            }.items()
        },
        growth.gather_scaling,
        growth.draw_scaling,
        growth.judge_scaling,
    ),
    "consistency": Row(
        "Theorem 2: consistency",
        "MINE is strongly consistent: with more rows it comes as near to the truth as one likes.",
        {
            "smoke": {
                "consistency": Sweep("paper/consistency", 40, (*FEW, "dataset.n=100,1000,10000"))
            },
            "cpu": {"consistency": Sweep("paper/consistency", 600)},
            "gpu": {"consistency": Sweep("paper/consistency", 300)},
        },
        growth.gather_consistency,
        growth.draw_consistency,
        growth.judge_consistency,
    ),
    "fig3_spiral": Row(
        "Figure 3: spiral",
        "A generator trained with MINE covers the spiral, one trained without it does not.",
        {
            "smoke": {"spiral": Sweep("paper/fig3_spiral", 20, FEW_GAN)},
            "cpu": {"spiral": Sweep("paper/fig3_spiral", 600)},
            "gpu": {"spiral": Sweep("paper/fig3_spiral", 300)},
        },
        generators.gather_points,
        generators.draw_spiral,
        generators.judge_spiral,
    ),
    "fig4_25gaussians": Row(
        "Figure 4: 25 Gaussians",
        "A generator trained with MINE finds all modes, one trained without it loses some.",
        {
            "smoke": {
                "paper": Sweep("paper/fig4_25gaussians", 20, FEW_GAN),
                "tuned": Sweep("gan/25gaussians", 20, FEW_GAN),
            },
            **{
                budget: {
                    "paper": Sweep("paper/fig4_25gaussians", seconds),
                    "tuned": Sweep("gan/25gaussians", seconds, ("seed=range(3)",)),
                }
                for budget, seconds in {"cpu": 900, "gpu": 600}.items()
            },
        },
        generators.gather_points,
        generators.draw_gaussians,
        generators.judge_gaussians,
    ),
    "table1_stacked_mnist": Row(
        "Table 1: stacked MNIST",
        "A generator trained with MINE captures all 1,000 modes, at a KL of 0.05.",
        {
            "smoke": {
                "stacks": Sweep("gan/stacked_mnist_cpu", 60, (*FEW_GAN, "task.samples=500"))
            },
            "cpu": {"stacks": Sweep("gan/stacked_mnist_cpu", 900)},
            "gpu": {"stacks": Sweep("paper/table1_stacked_mnist", 7200)},
        },
        generators.gather_stacks,
        generators.draw_stacks,
        generators.judge_stacks,
        {"smoke": 60, "cpu": 60, "gpu": 60},
        classified=True,
    ),
    "table3_ib": Row(
        "Table 3: information bottleneck",
        "A classifier with a bottleneck by MINE errs less on MNIST than all others.",
        {
            "smoke": {
                "bottlenecks": Sweep(
                    "paper/table3_ib",
                    90,
                    (
                        "trainer.steps=20",
                        "trainer.evaluate_every=20",
                        "seed=0",
                        "task.samples=2",
                        "task.attacked_rows=20",
                        "task.pairs=20000",
                    ),
                )
            },
            "cpu": {
                "bottlenecks": Sweep(
                    "paper/table3_ib",
                    2400,
                    (
                        "trainer.steps=6000",
                        "trainer.lr=0.0005",
                        "trainer.evaluate_every=3000",
                        "seed=0,1",
                        "task.attacked_rows=100",
                    ),
                )
            },
            "gpu": {"bottlenecks": Sweep("paper/table3_ib", 14400)},
        },
        bottlenecks.gather,
        bottlenecks.draw,
        bottlenecks.judge,
    ),
    "ablations": Row(
        "Ablations: which of the choices matter",
        "Section 3.2 corrects the gradient by a moving average; the appendix clips the gradient "
        "of the information. The paper compares neither with its absence.",
        {
            budget: {
                "ema": Sweep("paper/ablations_ema", seconds, few),
                "marginals": Sweep("paper/ablations_marginals", seconds, few),
                "clipping": Sweep("paper/ablations_clipping", 3 * seconds, few_gan),
            }
            for budget, (seconds, few, few_gan) in {
                "smoke": (20, FEW, FEW_GAN),
                "cpu": (180, (), ()),
                "gpu": (120, (), ()),
            }.items()
        },
        ablations.gather,
        ablations.draw,
        ablations.judge,
    ),
}

MISSING = {
    "fig5_ali_25gaussians": "Figure 5: bi-directional models on 25 Gaussians",
    "table2_ali": "Table 2: reconstruction by bi-directional models",
}
"""What this version cannot do."""
