// The call that is waited for: alone here, because in a larger file the compiler leaves more of the small functions
// that it consists of apart.
#include "handles.hpp"

using namespace shared_channel_c;

sc_code sc_client_call(sc_client* client, const void* request, size_t request_size, void* reply, size_t reply_room,
                       size_t* reply_size, int64_t timeout, const sc_wait* wait, sc_error* error) {
  return guarded(error, [&](const Report& report) {
    if (client == nullptr) return report.failure(no_client());
    if ((request == nullptr && request_size != 0) || (reply == nullptr && reply_room != 0)) [[unlikely]]
      return report.failure(invalid("the request, or the memory for the reply, is NULL and has a size"));
    const std::span<const std::byte> asked = bytes_at(request, request_size);
    const std::span<std::byte> room(static_cast<std::byte*>(reply), reply_room);
    const auto answer = wait == nullptr ? client->raw.call(asked, room, nanoseconds(timeout))
                                        : call_as_asked(*client, asked, room, timeout, wait);
    if (!answer) return report.failure(answer.error());
    if (reply_size != nullptr) *reply_size = *answer;
    return report.success();
  });
}
