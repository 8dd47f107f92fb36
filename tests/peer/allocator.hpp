#pragma once

#ifdef __linux__
#include <atomic>
#include <mutex>

namespace peer {

// What operator new and delete take, once they have one (no_memory.cpp).
extern std::atomic<std::mutex*> allocators_mutex;

// Whether the calling thread is in one of them.
bool is_allocating();

}  // namespace peer
#endif
