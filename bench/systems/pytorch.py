"""PyTorch with one thread, channels last; the reference U-Net is diffusers' (peers/requirements.txt)."""

import json
import sys
import time
import warnings

warnings.filterwarnings("ignore")
import torch
from torch.nn.functional import conv2d

torch.set_num_threads(1)
now = time.process_time if "--cpu-time" in sys.argv else time.perf_counter
only = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else ""


def measure(name, f):
    if only not in name:
        return
    for _ in range(3):
        f()
    start = now()
    f()
    repeats = max(1, int(5e-3 / max(1e-6, now() - start)) + 1)
    times = []
    for _ in range(9):
        before = now()
        for _ in range(repeats):
            f()
        times.append((now() - before) / repeats)
    print(json.dumps({"case": name, "median_ms": sorted(times)[4] * 1e3}), flush=True)


def images(*shape):
    return torch.randn(*shape).to(memory_format=torch.channels_last)


for name, n, size, c in [
    ("conv3x3 16x32x32x64", 16, 32, 64),
    ("conv3x3 16x28x28x32", 16, 28, 32),
    ("conv3x3 16x14x14x128", 16, 14, 128),
    ("conv3x3 16x7x7x256", 16, 7, 256),
]:
    x, w, dy = images(n, c, size, size), images(c, c, 3, 3), images(n, c, size, size)
    backward = lambda mask: torch.ops.aten.convolution_backward(
        dy, x, w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, mask
    )
    with torch.no_grad():
        measure(f"{name} forward", lambda: conv2d(x, w, padding=1))
        measure(f"{name} input gradient", lambda: backward([True, False, False]))
        measure(f"{name} filter gradient", lambda: backward([False, True, False]))

from peers_unet import reference_unet

model = reference_unet().to(memory_format=torch.channels_last)
for batch in [1, 16]:
    x, t = images(batch, 1, 28, 28), torch.arange(batch)
    with torch.no_grad():
        measure(f"unet forward {batch}", lambda: model(x, t).sample)

optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
ema = [p.detach().clone() for p in model.parameters()]


def step():
    loss = ((model(x, t).sample - x) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    with torch.no_grad():
        torch._foreach_lerp_(ema, list(model.parameters()), 0.01)
    loss.item()


measure("unet step 16", step)
