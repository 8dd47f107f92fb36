#include <shared_channel/inspect.hpp>
#include <shared_channel/raw.hpp>

#include "round_trip.hpp"

int main() { return round_trip("no-exceptions") ? 0 : 1; }
