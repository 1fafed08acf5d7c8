"""PyTorch, channels last; the reference U-Net is diffusers' (peers/requirements.txt)."""

import torch
from torch.nn.functional import conv2d

from peers_unet import images, measure, measure_unet, reference_unet

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

measure_unet(reference_unet(), forward=[1, 16], step=[16])
