"""The reference U-Net of the project in PyTorch, and how the Python peers are measured."""

import json
import os
import sys
import time
import warnings

warnings.filterwarnings("ignore")
import torch
from diffusers import UNet2DModel

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
now = time.process_time if "--cpu-time" in sys.argv else time.perf_counter
only = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else ""


def reference_unet():
    return UNet2DModel(
        sample_size=28,
        in_channels=1,
        out_channels=1,
        layers_per_block=2,
        block_out_channels=(32, 64, 128),
        norm_num_groups=8,
        attention_head_dim=8,
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
    )


def turn(name):
    """Waits until no other system computes."""
    if "BENCH_TURNS" in os.environ:
        print(json.dumps({"turn": name}), flush=True)
        if not sys.stdin.readline():
            sys.exit(1)


def measure(name, f):
    """Prints the median time of f as one case, unless --only asks for others."""
    if only not in name:
        return
    turn(name)
    start, count = now(), 0
    while count < 3 or now() - start < 1:
        f()
        count += 1
    repeats = int(0.1 * count / (now() - start)) + 1
    times = []
    for _ in range(9):
        turn(name)
        before = now()
        for _ in range(repeats):
            f()
        times.append((now() - before) / repeats)
    print(json.dumps({"case": name, "median_ms": sorted(times)[4] * 1e3}), flush=True)


def images(*shape):
    return torch.randn(*shape).to(memory_format=torch.channels_last)


def measure_unet(model, forward, step, prepare=lambda model: model):
    """Forward passes and steps of training at the given sizes of the batch; `prepare` may compile the network."""
    model = model.to(memory_format=torch.channels_last)
    run = prepare(model)
    for batch in forward:
        x, t = images(batch, 1, 28, 28), torch.arange(batch)
        with torch.no_grad():
            measure(f"unet forward {batch}", lambda: run(x, t).sample)

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
    ema = [p.detach().clone() for p in model.parameters()]

    def train(x, t):
        loss = ((run(x, t).sample - x) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(ema, list(model.parameters()), 0.01)
        loss.item()

    for batch in step:
        x, t = images(batch, 1, 28, 28), torch.arange(batch)
        measure(f"unet step {batch}", lambda: train(x, t))
