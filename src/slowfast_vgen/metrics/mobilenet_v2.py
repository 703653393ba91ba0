"""MobileNetV2 (arXiv 1801.04381, table 2) under the names that torchvision's weights file has, without torchvision."""

from jaxtyping import Float
from torch import Tensor, nn

WIDTH, FEATURES, CLASSES = 32, 1280, 1000
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, blocks and stride of the first block of each stage: `t, c, n, s` of the table."""


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    weights = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(weights, nn.BatchNorm2d(outputs), nn.ReLU6())


class InvertedResidual(nn.Module):
    """A block that widens, filters each channel by itself and narrows without a non-linearity (3.3)."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        widen = [_convolution(inputs, inner, 1)] if expansion > 1 else []
        narrow = [nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.conv = nn.Sequential(*widen, _convolution(inner, inner, 3, stride, groups=inner), *narrow)
        self.skips = stride == 1 and inputs == outputs

    def forward(self, maps: Float[Tensor, "batch inputs h w"]) -> Float[Tensor, "batch outputs h2 w2"]:
        """The block's output, with the input added where the shapes allow it."""
        return maps + self.conv(maps) if self.skips else self.conv(maps)


class MobileNetV2(nn.Module):
    """`features` gives maps of a 32nd of the picture's size, `forward` the scores of ImageNet's classes."""

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = [_convolution(3, WIDTH, 3, 2)]
        inputs = WIDTH
        for expansion, channels, count, stride in STAGES:
            for index in range(count):
                blocks.append(InvertedResidual(inputs, channels, 1 if index else stride, expansion))
                inputs = channels
        self.features = nn.Sequential(*blocks, _convolution(inputs, FEATURES, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(FEATURES, CLASSES))

    def forward(self, pixels: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch 1000"]:
        """Class scores of normalised pictures."""
        return self.classifier(self.features(pixels).mean((2, 3)))
