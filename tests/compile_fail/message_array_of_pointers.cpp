// EXPECT: a message type must not be a pointer or a view
#include <shared_channel/shared_channel.hpp>

#include <array>

void use() { (void)shared_channel::SharedChannel<std::array<const char*, 2>>::Client::create("name"); }
