#include "round_trip.hpp"

#if defined(min) || defined(max)
#error "the library leaks the macros min and max of <windows.h>"
#endif

#include <windows.h>

bool windows_last() { return round_trip("windows-last"); }
