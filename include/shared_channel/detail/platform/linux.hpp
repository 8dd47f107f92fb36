// Linux: POSIX shared memory, open-file-description locks, shared futexes and the robust list.
#pragma once

#include <shared_channel/detail/platform/linux/beacon.hpp>
#include <shared_channel/detail/platform/linux/lease.hpp>
#include <shared_channel/detail/platform/linux/memory.hpp>
#include <shared_channel/detail/platform/linux/process.hpp>
#include <shared_channel/detail/platform/linux/signal.hpp>
#include <shared_channel/detail/platform/linux/wait_set.hpp>
