"""PyTorch on as many threads as OMP_NUM_THREADS says: the reference U-Net, and a whole step of the quickstart's network."""

import math

import torch
from diffusers import UNet2DModel

from peers_unet import images, measure, measure_unet, reference_unet

measure_unet(reference_unet(), forward=[], step=[64, 32])

CLASSES, DROPOUT, BATCH = 10, 0.1, 64
model = UNet2DModel(
    sample_size=28,
    in_channels=1,
    out_channels=1,
    layers_per_block=1,
    block_out_channels=(16, 32, 32),
    norm_num_groups=8,
    attention_head_dim=8,
    num_class_embeds=CLASSES + 1,
    down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
).to(memory_format=torch.channels_last)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
ema = [p.detach().clone() for p in model.parameters()]
f = [math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(1001)]
betas = torch.tensor([min(1 - f[t + 1] / f[t], 0.999) for t in range(1000)], dtype=torch.float64)
alpha_bars = torch.cumprod(1 - betas, 0).float()
x0, labels = images(BATCH, 1, 28, 28), torch.full((BATCH,), 7)


def step():
    """Times, noise and hidden classes are drawn, as training draws them; v is predicted (Salimans and Ho 2022)."""
    t = torch.randint(0, 1000, (BATCH,))
    noise = torch.randn_like(x0)
    a, s = (v.view(-1, 1, 1, 1) for v in (alpha_bars[t].sqrt(), (1 - alpha_bars[t]).sqrt()))
    told = torch.where(torch.rand(BATCH) < DROPOUT, CLASSES, labels)
    loss = ((model(a * x0 + s * noise, t, told).sample - (a * noise - s * x0)) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    with torch.no_grad():
        torch._foreach_lerp_(ema, list(model.parameters()), 0.01)
    loss.item()


measure("mnist step 64", step)
