#include "round_trip.hpp"

bool other_unit() { return round_trip("two-units-second"); }
