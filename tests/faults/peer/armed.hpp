#pragma once

#include <functional>
#include <string>

// The fault that this process suffers, at the n-th time that it comes to one test point.
namespace test_points {

/// `fault` is kill, stop (by the test, which is told "here") or delay. `slow` is another point, at which the process
/// lingers each time, to make a rare history likely.
void arm(const std::string& point, const std::string& fault, int nth, const std::string& slow);
bool was_hit();

/// What this process does each time that it comes to the point. Before there are threads that do.
void at(const char* point, std::function<void()> action);

/// From here on the library behaves as if the system did not let it open other processes.
void deny_open_process();

}  // namespace test_points
