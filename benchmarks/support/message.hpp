// What travels in a benchmark, and how a reply is checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace bench {

using Words = std::span<std::uint64_t>;
using ConstWords = std::span<const std::uint64_t>;

// Every word of a message follows from its sequence number, so that a reply can be told from any other.
inline void fill(Words words, std::uint64_t sequence) noexcept {
  for (std::uint64_t& word : words) word = sequence++;
}

inline bool holds(ConstWords words, std::uint64_t sequence) noexcept {
  std::uint64_t wrong = 0;
  for (const std::uint64_t word : words) wrong |= word ^ sequence++;
  return wrong == 0;
}

// A length that is known when compiled costs a few moves, any other a call.
inline void copy(void* to, const void* from, std::size_t size) noexcept {
  switch (size) {
    case 8:
      std::memcpy(to, from, 8);
      break;
    case 48:
      std::memcpy(to, from, 48);
      break;
    case 64:
      std::memcpy(to, from, 64);
      break;
    case 256:
      std::memcpy(to, from, 256);
      break;
    default:
      std::memcpy(to, from, size);
      break;
  }
}

// A caller's private buffers. The first word is stamped and checked on every call, the rest only in a check.
class Messages {
 public:
  Messages(std::size_t size, bool check) : check_(check), request_(size / 8), reply_(size / 8) {}

  void stamp() noexcept {
    sequence_ += request_.size();
    check_ ? fill(request_, sequence_) : void(request_[0] = sequence_);
  }
  bool answered() const noexcept { return check_ ? holds(reply_, sequence_) : reply_[0] == sequence_; }

  std::uint64_t sequence() const noexcept { return sequence_; }
  std::size_t size() const noexcept { return request_.size() * 8; }
  const std::uint64_t* request() const noexcept { return request_.data(); }
  std::uint64_t* reply() noexcept { return reply_.data(); }

  // For a caller that looks at the reply where it lies: copies it only in a check.
  void look_at(const std::uint64_t* reply) noexcept {
    check_ ? void(std::memcpy(reply_.data(), reply, size())) : void(reply_[0] = reply[0]);
  }

 private:
  bool check_;
  std::uint64_t sequence_ = 0;
  std::vector<std::uint64_t> request_;
  std::vector<std::uint64_t> reply_;
};

}  // namespace bench
