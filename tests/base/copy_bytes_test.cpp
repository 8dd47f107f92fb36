#include "support/catch.hpp"

#include <shared_channel/detail/base/copy_bytes.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace copy_bytes_test {

using shared_channel::detail::copy_bytes;

TEST_CASE("copy bytes: each length is copied whole, and nothing beside it") {
  constexpr std::byte beside{0xEE};
  for (std::size_t length = 0; length <= 300; ++length) {
    std::vector<std::byte> from(length);
    for (std::size_t at = 0; at < length; ++at) from[at] = static_cast<std::byte>(at + length);
    std::vector<std::byte> to(length + 2, beside);
    copy_bytes(to.data() + 1, from.data(), length);
    CAPTURE(length);
    REQUIRE(std::equal(from.begin(), from.end(), to.begin() + 1));
    REQUIRE((to.front() == beside && to.back() == beside));
  }
}

TEST_CASE("copy bytes: no bytes may be nowhere") { copy_bytes(nullptr, nullptr, 0); }

}  // namespace copy_bytes_test
