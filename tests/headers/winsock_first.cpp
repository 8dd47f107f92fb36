#include <winsock2.h>

#include <windows.h>

#include <shared_channel/inspect.hpp>
#include <shared_channel/raw.hpp>

#include "round_trip.hpp"

bool winsock_first() { return round_trip("winsock-first"); }
