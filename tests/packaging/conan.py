"""usage: tests/packaging/conan.py DIRECTORY
Runs the Conan recipe's methods in Conan's order, with stand-ins for its modules. The package lies in
DIRECTORY/package."""
import fnmatch
import os
import runpy
import shutil
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
scratch = Path(sys.argv[1])


def module(name, **members):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(members)


def copy(_, pattern, src, dst):
    for folder, _, files in os.walk(src):
        for file in files:
            path = Path(folder, file)
            if fnmatch.fnmatch(str(path.relative_to(src)), pattern):
                target = Path(dst, path.relative_to(src))
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)


class Settings(types.SimpleNamespace):
    def get_safe(self, name):
        return vars(self).get(name)


class CppInfo:
    def __init__(self):
        self.properties = {}

    def set_property(self, name, value):
        self.properties[name] = value


class Refused(Exception):
    pass


def check_min_cppstd(recipe, least):
    if int(recipe.settings.get_safe("compiler.cppstd")) < least:
        raise Refused("C++ standard")


module("conan", ConanFile=type("ConanFile", (), {}))
module("conan.errors", ConanInvalidConfiguration=Refused)
module("conan.tools")
module("conan.tools.build", check_min_cppstd=check_min_cppstd)
module("conan.tools.files", copy=copy)
recipe_file = ROOT / "packaging/conan/conanfile.py"
Recipe = runpy.run_path(str(recipe_file))["SharedChannelConan"]


def run(system, standard):
    shutil.rmtree(scratch, ignore_errors=True)
    recipe = Recipe()
    recipe.recipe_folder = str(recipe_file.parent)
    recipe.export_sources_folder = recipe.source_folder = str(scratch / "source")
    recipe.package_folder = str(scratch / "package")
    recipe.settings = Settings(os=system, **({"compiler.cppstd": standard} if standard else {}))
    recipe.cpp_info = CppInfo()
    recipe.info = types.SimpleNamespace(clear=lambda: None)
    for method in ("export_sources", "validate", "package_id", "package", "package_info"):
        getattr(recipe, method)()
    return recipe


def refuses(*arguments):
    try:
        run(*arguments)
    except Refused:
        return True
    return False


assert refuses("Macos", None) and refuses("Linux", "17")
assert run("Windows", "20").cpp_info.system_libs == ["advapi32"]
linux = run("Linux", None)
assert linux.cpp_info.system_libs == ["pthread", "rt"]
assert linux.cpp_info.properties["cmake_target_name"] == "shared_channel::shared_channel"

packed = sorted(path.relative_to(scratch / "package") for path in (scratch / "package").rglob("*") if path.is_file())
wanted = sorted([Path("licenses/LICENSE")] + [path.relative_to(ROOT) for path in (ROOT / "include").rglob("*.hpp")])
assert packed == wanted, set(packed) ^ set(wanted)
