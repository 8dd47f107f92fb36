// A program that has declared RtlGenRandom by its own header.
#include <windows.h>
#include <ntsecapi.h>

#include "round_trip.hpp"

bool ntsecapi_first() { return round_trip("ntsecapi-first"); }
