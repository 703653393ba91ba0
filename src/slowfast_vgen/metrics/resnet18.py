"""ResNet-18 (arXiv 1512.03385, table 1) under the names that torchvision's weights file has, without torchvision."""

from jaxtyping import Float
from torch import Tensor, nn

from slowfast_vgen.metrics.pretrained import PublishedFile

FEATURES, CLASSES = 512, 1000
WEIGHTS = PublishedFile("ResNet-18", "resnet18-f37072fd.pth of torchvision", ("f37072fd", "5c106cde"))
"""ResNet-18's weights on ImageNet; the second file is torchvision's older one."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut (figure 2), which is projected where the shape changes (option B)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        projection = (nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.downsample = nn.Sequential(*(projection if stride > 1 or inputs != outputs else ()))

    def forward(self, maps: Float[Tensor, "batch inputs h w"]) -> Float[Tensor, "batch outputs h2 w2"]:
        """The block's output, 0 or more."""
        inner = self.relu(self.bn1(self.conv1(maps)))
        return self.relu(self.bn2(self.conv2(inner)) + self.downsample(maps))


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1))


class ResNet18(nn.Module):
    """`features` gives the classifier's input, `forward` the scores of ImageNet's classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(64, 64, 1)
        self.layer2 = _stage(64, 128, 2)
        self.layer3 = _stage(128, 256, 2)
        self.layer4 = _stage(256, FEATURES, 2)
        self.fc = nn.Linear(FEATURES, CLASSES)

    def features(self, pixels: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch 512"]:
        """Features of normalised pictures, averaged over the picture; 0 or more."""
        maps = self.maxpool(self.relu(self.bn1(self.conv1(pixels))))
        return self.layer4(self.layer3(self.layer2(self.layer1(maps)))).mean((2, 3))

    def forward(self, pixels: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch 1000"]:
        """Class scores of normalised pictures."""
        return self.fc(self.features(pixels))
