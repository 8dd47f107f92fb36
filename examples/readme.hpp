// What the README's code blocks leave out.
#pragma once

#include <shared_channel/inspect.hpp>
#include <shared_channel/raw.hpp>
#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

using namespace shared_channel;
using namespace std::chrono_literals;

inline std::stop_token token;
