"""PyTorch with the reference U-Net alone, as it is or compiled (BENCH_SYSTEM=pytorch-compile)."""

import json
import os
import resource
import sys

import torch

from peers_unet import measure_unet, only, reference_unet

if os.environ["BENCH_SYSTEM"] == "pytorch-compile":
    measure_unet(reference_unet(), forward=[1], step=[64], prepare=torch.compile)
else:
    measure_unet(reference_unet(), forward=[1, 16], step=[16, 64])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if sys.platform == "linux" else 1024)
    # Everything up to here counts, and the step at batch 64 is the largest part of it.
    if only in "unet step 64":
        print(json.dumps({"case": "unet step 64 peak memory", "megabytes": peak / 1024}))
