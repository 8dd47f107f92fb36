// Win32: named file mappings, auto-reset events, mutexes, and waits that include the server's process.
#pragma once

#include <shared_channel/detail/platform/win32/beacon.hpp>
#include <shared_channel/detail/platform/win32/lease.hpp>
#include <shared_channel/detail/platform/win32/memory.hpp>
#include <shared_channel/detail/platform/win32/process.hpp>
#include <shared_channel/detail/platform/win32/signal.hpp>
#include <shared_channel/detail/platform/win32/wait_set.hpp>
