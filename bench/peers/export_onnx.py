"""Writes the models that onnxruntime-web is measured with to bench/.cache."""

import sys
from pathlib import Path

import torch

here = Path(__file__).parent
sys.path.insert(0, str(here.parent / "systems"))
from peers_unet import reference_unet

cache = here.parent / ".cache"
cache.mkdir(exist_ok=True)


class Convolution(torch.nn.Module):
    """The filter is an input, as in training: nothing can be prepared ahead."""

    def forward(self, x, weight):
        return torch.nn.functional.conv2d(x, weight, padding=1)


class Unet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.unet = reference_unet()

    def forward(self, x, t):
        return self.unet(x, t).sample


def export(name, module, inputs, axes):
    torch.onnx.export(
        module.eval(), tuple(inputs.values()), str(cache / f"{name}.onnx"), input_names=list(inputs),
        output_names=["y"], dynamic_axes=axes, opset_version=17, dynamo=False,
    )


export(
    "conv",
    Convolution(),
    {"x": torch.randn(1, 4, 8, 8), "weight": torch.randn(4, 4, 3, 3)},
    {"x": [0, 1, 2, 3], "weight": [0, 1]},
)
export("unet", Unet(), {"x": torch.randn(2, 1, 28, 28), "t": torch.arange(2)}, {"x": [0], "t": [0], "y": [0]})
