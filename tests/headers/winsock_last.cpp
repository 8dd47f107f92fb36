#include "round_trip.hpp"

#include <winsock2.h>

bool winsock_last() { return round_trip("winsock-last"); }
