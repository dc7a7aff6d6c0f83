"""The build hook that adds compiled kernels to a wheel if ``SEQCAST_BUILD_KERNELS=1``, see `make wheel`."""

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "SEQCAST_BUILD_KERNELS"
# The libraries need no later version of glibc, see `kernels.build`.
TAG = "py3-none-manylinux_2_27_x86_64"


class KernelsHook(BuildHookInterface):
    """Compile the kernels, and add them to the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the libraries if this is a wheel that asks for them."""
        if self.target_name != "wheel" or version == "editable" or os.environ.get(VARIABLE) != "1":
            return
        if (sys.platform, platform.machine()) != ("linux", "x86_64"):
            raise RuntimeError(
                f"{VARIABLE}=1 needs Linux on x86_64. Unset it to build a wheel without kernels."
            )
        directory = Path(self.root, "build", "kernels")
        command = [sys.executable, "-m", "seqcast.kernels.build", str(directory)]
        subprocess.run(command, cwd=self.root, env=os.environ | {"PYTHONPATH": self.root}, check=True)
        for path in directory.iterdir():
            build_data["force_include"][str(path)] = f"seqcast/kernels/shipped_libraries/{path.name}"
        build_data["pure_python"] = False
        build_data["tag"] = TAG
