// Which channels have an observer.
#pragma once

#include <concepts>
#include <cstddef>
#include <utility>
#include <variant>

#include <shared_channel/observer.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

template <class Request>
concept HasClientObserver = requires(const CallRecord& record) {
  ObserverOf<Request>::client_done(record);
};
template <class Request>
concept HasServerObserver = requires(const CallRecord& record) {
  ObserverOf<Request>::server_done(record);
};

/// A function with a misspelt name must not be silently unheard.
template <class Request>
constexpr bool check_observer() {
  static_assert(
      HasClientObserver<Request> || HasServerObserver<Request> || requires { typename ObserverOf<Request>::IsAbsent; },
      "SharedChannel: an ObserverOf<Request> must have static void client_done(const CallRecord&), static "
      "void server_done(const CallRecord&), or both, and be public");
  return true;
}

template <class Request>
std::size_t alternative_of(const Request&) noexcept {
  return CallRecord::no_alternative;
}
template <class... T>
std::size_t alternative_of(const std::variant<T...>& request) noexcept {
  return request.index();
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
