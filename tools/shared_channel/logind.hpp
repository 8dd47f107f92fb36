// What systemd-logind was told to do with the shared memory of users that have left.
#pragma once

#include <filesystem>

namespace tool {

/// Whether it removes that, as its files below `root` say.
bool removes_ipc(const std::filesystem::path& root);

}  // namespace tool
