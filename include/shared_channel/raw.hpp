// Raw channels: for programs that learn only at run time what travels on them. Not part of shared_channel.hpp.
//
//     RawClient adder("adder");                                     // takes the shape of whichever server is there
//     std::array<std::byte, 4> sum;
//     adder.call(std::as_bytes(std::span(numbers)), sum, 250ms);    // Result<std::size_t>
//
//     RawServer echo("echo", ChannelShape{});                       // any bytes, up to 64 KiB
//     echo.serve([](std::span<const std::byte> request, std::span<std::byte> reply) { ... return size; });
//
// Raw and typed ends of a channel go together wherever their messages and descriptions are the same.
#pragma once

#include <shared_channel/channel_shape.hpp>
#include <shared_channel/raw_client.hpp>
#include <shared_channel/raw_draft.hpp>
#include <shared_channel/raw_reply.hpp>
#include <shared_channel/raw_server.hpp>
#include <shared_channel/version.hpp>
