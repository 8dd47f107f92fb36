"""For Conan 2: `conan create packaging/conan -s compiler.cppstd=20` makes shared_channel/VERSION of the tree around it."""
import os

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy


class SharedChannelConan(ConanFile):
    name = "shared_channel"
    version = "0.2.0"
    description = "Typed calls between processes through shared memory"
    license = "MIT"
    topics = ("ipc", "rpc", "shared-memory", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    no_copy_source = True

    def export_sources(self):
        tree = os.path.join(self.recipe_folder, os.pardir, os.pardir)
        for part in ("include/*", "LICENSE"):
            copy(self, part, src=tree, dst=self.export_sources_folder)

    def validate(self):
        if self.settings.os not in ("Linux", "Windows"):
            raise ConanInvalidConfiguration("shared_channel knows Linux and Windows")
        if self.settings.get_safe("compiler.cppstd"):
            check_min_cppstd(self, 20)

    def package_id(self):
        self.info.clear()

    def package(self):
        copy(self, "LICENSE", src=self.source_folder, dst=os.path.join(self.package_folder, "licenses"))
        copy(self, "*.hpp", src=os.path.join(self.source_folder, "include"),
             dst=os.path.join(self.package_folder, "include"))

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.set_property("cmake_file_name", "shared_channel")
        self.cpp_info.set_property("cmake_target_name", "shared_channel::shared_channel")
        self.cpp_info.set_property("pkg_config_name", "shared_channel")
        self.cpp_info.system_libs = ["advapi32"] if self.settings.os == "Windows" else ["pthread", "rt"]
