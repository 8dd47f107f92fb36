#pragma once

#include "system.hpp"

// Every system lives in a file of its own; list.cpp puts them in the order of the report.
namespace bench {

const System& one_line();
const System& two_lines();
const System& copies_by_hand();
const System& in_place_by_hand();
const System& futex();
const System& exec_done_events();

const System& pipe();
const System& unix_stream();
const System& unix_seqpacket();
const System& posix_mq();
const System& boost_mq();
const System& zeromq();
const System& nng();
const System& published_recipe();
const System& named_pipe();

std::vector<const System*> iceoryx();
std::vector<const System*> library();
std::vector<const System*> c_interface();

}  // namespace bench
