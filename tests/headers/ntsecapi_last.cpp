// A program that declares RtlGenRandom after us.
#include "round_trip.hpp"

#include <windows.h>
#include <ntsecapi.h>

bool ntsecapi_last() { return round_trip("ntsecapi-last"); }
