// A singly linked list whose elements stay where they are: what we need of std::forward_list (compile time).
#pragma once

#include <utility>

#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

template <class T>
class ForwardList {
  struct Node {
    template <class... Arguments>
    explicit Node(Arguments&&... arguments) : value(std::forward<Arguments>(arguments)...) {}
    T value;
    Node* next = nullptr;
  };

 public:
  /// An element in no list: where a lock guards the list, the allocator can work outside of it.
  using Loose = UniquePtr<Node>;
  template <class... Arguments>
  [[nodiscard]] static Loose make(Arguments&&... arguments) {
    return Loose(new Node(std::forward<Arguments>(arguments)...));
  }

  class Iterator {
   public:
    explicit Iterator(Node* node) noexcept : node_(node) {}
    T& operator*() const noexcept { return node_->value; }
    Iterator& operator++() noexcept {
      node_ = node_->next;
      return *this;
    }
    friend bool operator==(Iterator, Iterator) = default;

   private:
    Node* node_;
  };

  ForwardList() = default;
  ForwardList(const ForwardList&) = delete;
  ForwardList& operator=(const ForwardList&) = delete;
  ~ForwardList() {
    while (first_ != nullptr) erase(first_->value);
  }

  [[nodiscard]] Iterator begin() const noexcept { return Iterator(first_); }
  [[nodiscard]] Iterator end() const noexcept { return Iterator(nullptr); }

  template <class... Arguments>
  T& emplace(Arguments&&... arguments) {
    return put(make(std::forward<Arguments>(arguments)...));
  }
  T& put(Loose element) noexcept {
    element->next = first_;
    first_ = element.release();
    return first_->value;
  }

  /// An element of this list.
  void erase(const T& element) noexcept { static_cast<void>(take_out(element)); }
  [[nodiscard]] Loose take_out(const T& element) noexcept {
    Node** link = &first_;
    while (&(*link)->value != &element) link = &(*link)->next;
    return Loose(std::exchange(*link, (*link)->next));
  }

 private:
  Node* first_ = nullptr;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
