// EXPECT: BytesMessage
#include <shared_channel/shared_channel.hpp>

void use(shared_channel::SharedChannel<shared_channel::Bytes>::Client& client, const shared_channel::Bytes& request) {
  (void)client.call(request);
}
