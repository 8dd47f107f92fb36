#include "round_trip.hpp"

int main() { return round_trip("no-exceptions") ? 0 : 1; }
