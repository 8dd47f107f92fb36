// EXPECT: a message type must not be a pointer or a view
#include <shared_channel/shared_channel.hpp>

#include <span>

void use() { (void)shared_channel::SharedChannel<int, std::span<const int>>::Server::create("name"); }
