"""The convolutions of AlexNet (arXiv 1404.5997, one column) under the names that torchvision's weights file has."""

from jaxtyping import Float
from torch import Tensor, nn

from slowfast_vgen.metrics.pretrained import PublishedFile

CHANNELS = (64, 192, 384, 256, 256)
"""Channels of the five maps."""
SMALLEST_SIDE = 31
"""Smallest side in pixels; below it the second pooling has nothing left to pool."""
WEIGHTS = PublishedFile("AlexNet", "alexnet-owt-7be5be79.pth of torchvision", ("7be5be79", "4df8aa71"))
"""AlexNet's weights on ImageNet; the second file is torchvision's older one. The classifier is not read."""
TRUNK = "features."
"""Prefix of the convolutions' names in that file."""


class AlexNetTrunk(nn.Module):
    """Five convolutions, each with a ReLU; the classifier, which holds most of the weights, is left out."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third, fourth, fifth = CHANNELS
        self.features = nn.Sequential(
            *(nn.Conv2d(3, first, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(first, second, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(second, third, 3, 1, 1), nn.ReLU()),
            *(nn.Conv2d(third, fourth, 3, 1, 1), nn.ReLU()),
            *(nn.Conv2d(fourth, fifth, 3, 1, 1), nn.ReLU()),
        )

    def forward(self, pixels: Float[Tensor, "batch 3 h w"]) -> list[Float[Tensor, "batch channels h2 w2"]]:
        """The maps after each ReLU, 0 or more, from the finest to the coarsest."""
        maps, kept = pixels, []
        for layer in self.features:
            maps = layer(maps)
            if isinstance(layer, nn.ReLU):
                kept.append(maps)
        return kept
