// What the code blocks of docs/windows.md leave out.
#pragma once

#include <shared_channel/shared_channel.hpp>

#include <windows.h>

using namespace shared_channel;

inline ServerOptions options;
inline SharedChannel<int>::Server* server = nullptr;
