#include <winsock2.h>

#include <windows.h>

#include "round_trip.hpp"

bool winsock_first() { return round_trip("winsock-first"); }
