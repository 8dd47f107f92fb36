// The compiled form of the library: what programs that define SHARED_CHANNEL_COMPILED take from here instead of
// compiling it themselves. Once with exceptions and once without: the two have namespaces of their own, so both lie in
// one library.
#define SHARED_CHANNEL_COMPILES

#include <shared_channel/shared_channel.hpp>
