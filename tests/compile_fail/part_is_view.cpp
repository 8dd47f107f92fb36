// EXPECT: every part of a message must be trivially copyable and no pointer or view
#include <shared_channel/shared_channel.hpp>

#include <string_view>
#include <vector>

void use(shared_channel::SharedChannel<std::vector<std::string_view>>::Client& client) { (void)client.call({"view"}); }
