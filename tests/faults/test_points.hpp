// Included before everything else in the fault peer: what the library's test points do there.
#pragma once

namespace test_points {

void reach(const char* point) noexcept;
bool is_open_process_denied() noexcept;

}  // namespace test_points

#define SHARED_CHANNEL_TEST_POINT(point) ::test_points::reach(#point)
#define SHARED_CHANNEL_TEST_DENY_OPEN_PROCESS ::test_points::is_open_process_denied()
