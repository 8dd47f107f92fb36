// EXPECT: SharedChannel needs C\+\+20
// MSVC says 199711L in __cplusplus whatever the language is: the other macro counts.
#define _MSVC_LANG 201703L
#include <shared_channel/version.hpp>
