// Hostile frames: any length word over any bytes, decoded as each kind of type that the codecs know.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <shared_channel/codec.hpp>
#include <shared_channel/detail/message/message.hpp>

using namespace shared_channel;

namespace {

struct Point {
  std::int32_t x, y;
};
struct Tree {
  std::string name;
  std::vector<Tree> children;
};
struct Everything {
  std::string text;
  std::vector<Point> points;
  std::optional<std::vector<std::string>> lines;
  std::variant<std::monostate, std::string, std::pair<std::string, Point>, std::vector<bool>> choice;
  std::array<std::optional<std::uint8_t>, 3> three;
  std::tuple<bool, std::optional<std::optional<std::string>>, std::u16string> nested;
  std::vector<Tree> trees;
  std::array<std::string, 2> names;
};

// What was decoded can be encoded, into as many bytes as it came from.
template <class T>
void check(std::span<const std::byte> bytes) {
  const std::optional<T> value = Codec<T>::decode(bytes);
  if (!value) return;
  std::vector<std::byte> again(Codec<T>::size(*value));
  if (again.size() != bytes.size()) std::abort();
  Codec<T>::encode(*value, again);
  if (!Codec<T>::decode(again)) std::abort();
}

void decode(std::uint8_t kind, std::span<const std::byte> bytes) {
  switch (kind % 8) {
    case 0:
      return check<Everything>(bytes);
    case 1:
      return check<Tree>(bytes);
    case 2:
      return check<std::variant<Everything, Tree, std::int32_t>>(bytes);
    case 3:
      return check<std::vector<std::vector<std::optional<std::string>>>>(bytes);
    case 4:
      return check<std::vector<bool>>(bytes);
    case 5:
      return check<std::variant<std::uint8_t, std::uint16_t>>(bytes);
    case 6:
      return check<std::array<std::vector<std::uint32_t>, 3>>(bytes);
    default:
      return check<std::string>(bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 + sizeof(std::uint32_t)) return 0;
  const std::uint8_t kind = data[0];
  std::uint32_t length;
  std::memcpy(&length, data + 1, sizeof length);
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data) + 5, size - 5);
  decode(kind, bytes);

  // The same bytes in a slot, under a length that may say anything.
  detail::Slot slot{};
  std::memcpy(slot.inline_bytes, bytes.data(), std::min(bytes.size(), sizeof slot.inline_bytes));
  std::vector<std::byte> area(bytes.begin(), bytes.end());
  slot.length.store(kind < 128 ? length : length % 256);
  const detail::Frame frame(slot, area.data(), area.size());
  const bool possible = detail::with_bytes(frame, kind % 2 == 0, [&](std::span<const std::byte> message) {
    decode(kind, message);
    return true;
  });
  if (possible != (slot.length.load() <= area.size())) std::abort();
  return 0;
}
