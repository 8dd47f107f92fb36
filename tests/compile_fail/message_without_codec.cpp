// EXPECT: or have a shared_channel::Codec
#include <shared_channel/shared_channel.hpp>

#include <memory>

void use() { (void)shared_channel::SharedChannel<std::unique_ptr<int>>::Client::create("name"); }
