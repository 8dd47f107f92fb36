// What this process holds right now, for tests that want it unchanged.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace test_support {

std::size_t open_descriptors();  // handles on Win32
std::size_t thread_count();

// Names in /dev/shm that begin so; none on Win32, where the kernel takes names away with their last handle. A test asks
// for its own channel's only: other tests run beside it.
std::vector<std::string> shm_entries(std::string_view prefix);

}  // namespace test_support
