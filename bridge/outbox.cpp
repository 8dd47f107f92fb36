#include "outbox.hpp"

#include <algorithm>

namespace bridge {

void Outbox::start() {
  thread_ = std::jthread([this](const std::stop_token& token) { work(token); });
}

void Outbox::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
  flush();
}

void Outbox::add(Id importer, Id call, const Answer& answer, std::size_t most) {
  const std::size_t size = answer.reply.size() + answer.text.size() + call_overhead;
  const std::lock_guard lock(mutex_);
  const auto has_room = [&](const Batch& batch) {
    return batch.importer == importer && batch.bytes.size() + size <= most;
  };
  const auto last = std::find_if(batches_.rbegin(), batches_.rend(), has_room);
  Batch& batch = last != batches_.rend() ? *last : batches_.emplace_back();
  batch.importer = importer;
  batch.ids.push_back(call);
  bridge::add(call, answer, batch.bytes);
}

void Outbox::flush() {
  std::vector<Batch> batches;
  {
    const std::lock_guard lock(mutex_);
    batches.swap(batches_);
  }
  for (const Batch& batch : batches) send_(batch);
}

void Outbox::ring() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(is_rung_, true)) return;
  }
  rung_.notify_one();
}

void Outbox::work(const std::stop_token& token) {
  while (!token.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      rung_.wait(lock, token, [&] { return is_rung_; });
      is_rung_ = false;
    }
    flush();
  }
}

}  // namespace bridge
