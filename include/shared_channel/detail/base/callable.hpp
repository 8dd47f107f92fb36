// What can be asked of a callable before it is called.
#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// What `f(args...)` calls. A pointer to a member is none, though std::invoke() takes one.
template <class F, class... Args>
concept CallableWith = std::invocable<F, Args...> && !std::is_member_pointer_v<std::remove_cvref_t<F>>;

/// Whether what `f` is given can be asked without compiling its body: it has one signature.
template <class F>
concept HasOneSignature = std::is_function_v<std::remove_pointer_t<std::remove_cvref_t<F>>> || requires {
  &std::remove_cvref_t<F>::operator();
};

/// The same of what has one signature. A generic body is not compiled for these arguments.
template <class F, class... Args>
concept PlainlyCallableWith = HasOneSignature<F> && CallableWith<F, Args...>;

/// What takes a T by value or as const, and therefore a const T as well, has nowhere to write. A generic one is not
/// asked, nor one with nothing to write.
template <class F, class T>
concept WritesNowhere = !std::is_empty_v<T> && PlainlyCallableWith<F, const T&>;

/// `f(T&)` that can write to its T.
template <class F, class T>
concept Fills = CallableWith<F, T&> && !WritesNowhere<F, T>;

/// Whether a callable can be empty (function pointer, std::function), and is.
template <class Handler>
bool is_empty(const Handler& handler) noexcept {
  if constexpr (std::is_pointer_v<Handler> ||
                (std::is_constructible_v<Handler, std::nullptr_t> && std::is_constructible_v<bool, const Handler&>)) {
    return !static_cast<bool>(handler);
  } else {
    return false;
  }
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
