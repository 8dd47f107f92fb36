// Every test point is in this program, which the test looks through.
#include <shared_channel/raw.hpp>

#include "round_trip.hpp"

int main() { return round_trip("usdt") ? 0 : 1; }
