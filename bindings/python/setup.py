"""Builds the extension from the library's headers: the repository's, or those that a source distribution brings."""

import re
import shutil
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

here = Path(__file__).resolve().parent
repository = here.parent.parent
brought = here / "include"  # in a source distribution
headers = brought if brought.exists() else repository / "include"


def version() -> str:
    """The library's."""
    text = (headers / "shared_channel" / "version.hpp").read_text(encoding="utf-8")
    parts = [re.search(rf"#define SHARED_CHANNEL_VERSION_{part} (\d+)", text) for part in ("MAJOR", "MINOR", "PATCH")]
    return ".".join(part.group(1) for part in parts if part)


class SourceDistribution(sdist):
    """Brings the headers and the licence, which are not below this directory."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        shutil.copytree(headers, Path(base_dir) / "include", dirs_exist_ok=True)
        licence = here / "LICENSE" if brought.exists() else repository / "LICENSE"
        shutil.copy2(licence, base_dir)


class Compilation(build_ext):
    """Of Windows' compilers Microsoft's alone, which is the usual one, takes its own options."""

    def build_extension(self, extension: Extension) -> None:
        if self.compiler.compiler_type == "msvc":
            extension.extra_compile_args = ["/std:c++20", "/EHsc", "/utf-8"]
        else:
            extension.extra_compile_args = ["-std=c++20", "-g0"]
            if sys.platform == "win32":
                extension.extra_link_args = ["-static"]
            else:
                extension.extra_compile_args += ["-fvisibility=hidden", "-fvisibility-inlines-hidden"]
        super().build_extension(extension)


setup(
    version=version(),
    cmdclass={"build_ext": Compilation, "sdist": SourceDistribution},
    ext_modules=[
        Extension(
            "shared_channel._native",
            sorted(str(source.relative_to(here)) for source in (here / "native").glob("*.cpp")),
            depends=sorted(str(header.relative_to(here)) for header in (here / "native").glob("*.hpp")),
            include_dirs=[str(headers)],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            py_limited_api=True,
            # What the CMake package links: shm_open() is there before glibc 2.34.
            libraries=["advapi32"] if sys.platform == "win32" else ["rt"],
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
