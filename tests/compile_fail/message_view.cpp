// EXPECT: a message type must not be a pointer or a view
#include <shared_channel/shared_channel.hpp>

#include <string_view>

void use() { (void)shared_channel::SharedChannel<std::string_view>::Client::create("name"); }
