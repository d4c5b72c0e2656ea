"""Things that make pictures: generators, and tuners that improve a generator case by case."""

from ..core.registry import Registry
from .base import Generator, Tuner

METHODS: Registry[type[Generator] | type[Tuner]] = Registry(
    "method",
    "portraitbench.methods",
    {
        "copy-identity": "portraitbench.methods.reference:CopyIdentity",
        "copy-driving": "portraitbench.methods.reference:CopyDriving",
        "ideal": "portraitbench.methods.reference:Ideal",
        "warp": "portraitbench.methods.warp:Warp",
        "outputs": "portraitbench.methods.outputs:Outputs",
        "hellomeme": "portraitbench.methods.hellomeme.generator:HelloMeme",
        "hunyuanportrait": "portraitbench.methods.hunyuanportrait.generator:HunyuanPortrait",
        "pocket": "portraitbench.methods.pocket.generator:Pocket",
        "strucbooth": "portraitbench.methods.strucbooth.tuner:StrucBooth",
    },
)
"""Generators and tuners by name: ``METHODS.get("warp")(options, context)`` makes one."""
