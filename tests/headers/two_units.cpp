#include "round_trip.hpp"

bool other_unit();

int main() { return round_trip("two-units-first") && other_unit() ? 0 : 1; }
