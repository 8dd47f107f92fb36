// A singly linked list whose elements stay where they are: what we need of std::forward_list (compile time).
#pragma once

#include <utility>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

template <class T>
class ForwardList {
  struct Node {
    template <class... Arguments>
    explicit Node(Node* after, Arguments&&... arguments) : value(std::forward<Arguments>(arguments)...), next(after) {}
    T value;
    Node* next;
  };

 public:
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
    first_ = new Node(first_, std::forward<Arguments>(arguments)...);
    return first_->value;
  }

  /// An element of this list.
  void erase(const T& element) noexcept {
    Node** link = &first_;
    while (&(*link)->value != &element) link = &(*link)->next;
    delete std::exchange(*link, (*link)->next);
  }

 private:
  Node* first_ = nullptr;
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
