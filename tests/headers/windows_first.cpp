#include <windows.h>  // with its macros min and max

#include <shared_channel/inspect.hpp>
#include <shared_channel/raw.hpp>

#include "round_trip.hpp"

bool windows_first() { return round_trip("windows-first"); }
