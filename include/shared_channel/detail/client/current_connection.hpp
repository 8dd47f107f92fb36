// A client's current connection, shared by its threads and replaced when the server is.
//
// The hot path must neither lock nor touch what other clients touch, yet no thread may unmap a segment in which another
// is still calling. Each connection lives in a Cell with a count of its users. Cells are never freed while the client
// lives; there are a few, which are reused. So counting oneself in is always safe. Whether the count was made in time
// is then checked:
//
//     user                                 retirer
//     U1  cell = current                   C1  current = none
//     U2  ++cell.users                     C2  cell.users == 0?  then close
//     U3  current still == cell?
//
// U2, U3, C1 and C2 are sequentially consistent: if U3 still sees the cell, U3, and therefore U2, precedes C1; so C2
// sees the user. U1 may see a cell that is no longer current, since U3 looks again: it is an acquire load.
// If the last user leaves after C1, it closes the connection itself, under the mutex.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>

#include <shared_channel/detail/base/forward_list.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/client/connection.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

template <class Platform>
class CurrentConnection {
  using Connection = detail::Connection<Platform>;
  using Mutex = typename Platform::Mutex;

  struct Cell {
    std::atomic<std::uint32_t> users{0};
    UniquePtr<Connection> connection;
  };

 public:
  /// Keeps the connection that was current when it was made open. Empty if there was none.
  class Pin {
   public:
    Pin() = default;
    Pin(Pin&& other) noexcept : owner_(other.owner_), cell_(std::exchange(other.cell_, nullptr)) {}
    Pin& operator=(Pin&&) = delete;
    ~Pin() {
      if (cell_ != nullptr) owner_->leave(cell_);
    }

    explicit operator bool() const noexcept { return cell_ != nullptr; }
    Connection& operator*() const noexcept { return *cell_->connection; }
    Connection* operator->() const noexcept { return cell_->connection.get(); }

    /// See CurrentConnection::retire().
    void retire() const noexcept { owner_->retire(*this); }

   private:
    friend class CurrentConnection;
    Pin(CurrentConnection* owner, Cell* cell) : owner_(owner), cell_(cell) {}

    CurrentConnection* owner_ = nullptr;
    Cell* cell_ = nullptr;
  };

  Pin current() noexcept {
    for (;;) {
      Cell* cell = current_.load(std::memory_order_acquire);  // U1
      if (cell == nullptr) return {};
      cell->users.fetch_add(1, std::memory_order_seq_cst);                           // U2
      if (current_.load(std::memory_order_seq_cst) == cell) return Pin(this, cell);  // U3
      leave(cell);
    }
  }

  /// Makes `connection` the current one. There must be none.
  void install(UniquePtr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    Cell& cell = unused_cell();
    cell.connection = std::move(connection);
    current_.store(&cell, std::memory_order_seq_cst);
  }

  /// No new user gets the pinned connection any more; it closes when its last user leaves.
  void retire(const Pin& pin) noexcept {
    Cell* cell = pin.cell_;
    current_.compare_exchange_strong(cell, nullptr, std::memory_order_seq_cst);  // C1
  }

  /// How many users there are at this moment.
  [[nodiscard]] std::uint32_t users() noexcept {
    const std::lock_guard lock(mutex_);
    std::uint32_t users = 0;
    for (const Cell& cell : cells_) users += cell.users.load(std::memory_order_acquire);
    return users;
  }

 private:
  void leave(Cell* cell) noexcept {
    const bool is_last = cell->users.fetch_sub(1, std::memory_order_seq_cst) == 1;
    if (is_last && current_.load(std::memory_order_seq_cst) != cell) close(*cell);
  }

  void close(Cell& cell) noexcept;

  [[nodiscard]] bool is_unused(const Cell& cell) const noexcept {
    return current_.load(std::memory_order_seq_cst) != &cell && cell.users.load(std::memory_order_seq_cst) == 0;  // C2
  }

  Cell& unused_cell() {
    for (Cell& cell : cells_) {
      if (is_unused(cell)) return cell;
    }
    return cells_.emplace();
  }

  Mutex mutex_;
  ForwardList<Cell> cells_;
  std::atomic<Cell*> current_{nullptr};
};

template <class Platform>
void CurrentConnection<Platform>::close(Cell& cell) noexcept {
  const typename Platform::NoCancellation uncancelled;
  const std::lock_guard lock(mutex_);
  SHARED_CHANNEL_TEST_POINT(client_disconnects);
  if (is_unused(cell)) cell.connection.reset();
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
