// A channel's live segment, as anybody has it who may open it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <shared_channel/shared_channel.hpp>

namespace faults {

namespace detail = shared_channel::detail;

class LiveSegment {
 public:
  explicit LiveSegment(const std::string& channel)
      : names_(detail::Names::make(channel, shared_channel::Scope::session).value()),
        generation_(detail::platform::ServerLease::current_generation(names_).value().generation),
        page_(detail::platform::Mapping::open(names_, names_.server_page(generation_)).value()),
        mapping_(detail::platform::Mapping::open(names_, names_.segment(generation_)).value()) {}

  /// Only the server's own user has it like that.
  [[nodiscard]] detail::ServerPage& page() const { return *reinterpret_cast<detail::ServerPage*>(page_.data()); }

  [[nodiscard]] std::span<std::byte> bytes() const { return {mapping_.data(), mapping_.size()}; }
  [[nodiscard]] std::size_t words() const { return mapping_.size() / 4; }
  [[nodiscard]] detail::Word& word(std::size_t index) const {
    return reinterpret_cast<detail::Word*>(mapping_.data())[index];
  }
  [[nodiscard]] detail::Header& header() const { return *reinterpret_cast<detail::Header*>(mapping_.data()); }
  [[nodiscard]] detail::SlotArray slot_array() const {
    return detail::SlotArray(mapping_.data(), page().identity.shape, page().identity.slot_count);
  }

  [[nodiscard]] detail::platform::Signal signal(const std::string& part, detail::Word& word) const {
    return detail::platform::Signal::open(names_, generation_, part, word).value();
  }

 private:
  detail::Names names_;
  std::uint64_t generation_;
  detail::platform::Mapping page_;
  detail::platform::Mapping mapping_;
};

/// Every sleeper of a channel, woken without need.
class Bells {
 public:
  explicit Bells(const std::string& channel) : segment_(channel) {
    auto& header = segment_.header();
    signals_.push_back(segment_.signal("exec", header.exec.sequence));
    signals_.push_back(segment_.signal("slot_freed", header.slot_freed.sequence));
    for (std::uint32_t i = 0; i < segment_.slot_array().count(); ++i) {
      signals_.push_back(segment_.signal("done." + std::to_string(i), segment_.slot_array()[i].reply));
    }
  }
  void ring() {
    for (auto& signal : signals_) signal.ring();
  }

 private:
  LiveSegment segment_;
  std::vector<detail::platform::Signal> signals_;
};

}  // namespace faults
