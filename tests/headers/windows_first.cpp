#include <windows.h>  // with its macros min and max

#include "round_trip.hpp"

bool windows_first() { return round_trip("windows-first"); }
