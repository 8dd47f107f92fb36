// EXPECT: or have a shared_channel::Codec
#include <shared_channel/shared_channel.hpp>

#include <string>
#include <vector>

struct Series : std::vector<double> {  // the codec of a vector would lose the unit
  Series() = default;
  std::string unit;
};

void use() { (void)shared_channel::SharedChannel<Series>::Client::create("name"); }
