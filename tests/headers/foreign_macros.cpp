// Names that well-known headers define as macros: Qt's, X11's, Unreal's, <complex.h>'s and those of old <windows.h>.
// The standard's and the system's headers come first, because they need not survive this.
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>
#include <version>

#if defined(_WIN32)
#include <windows.h>

#include <aclapi.h>
#include <sddl.h>
#else
#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#endif

#define FOREIGN "SharedChannel uses the name of a foreign macro" @
// Qt
#define signals FOREIGN
#define slots FOREIGN
#define emit FOREIGN
#define foreach FOREIGN
#define forever FOREIGN
// X11
#define None FOREIGN
#define Bool FOREIGN
#define Status FOREIGN
#define Success FOREIGN
#define Always FOREIGN
#define True FOREIGN
#define False FOREIGN
#define Complex FOREIGN
#define Unsorted FOREIGN
#define Above FOREIGN
#define Below FOREIGN
#define KeyPress FOREIGN
#define FocusIn FOREIGN
#define FocusOut FOREIGN
#define CursorShape FOREIGN
#define GrayScale FOREIGN
// Unreal, old Apple headers
#define check FOREIGN
#define verify FOREIGN
#define require FOREIGN
#define ensure FOREIGN
#define checkf FOREIGN
#define PI FOREIGN
// <complex.h>
#define I FOREIGN
#define complex FOREIGN
#define imaginary FOREIGN
// <windows.h>, where somebody included it before us
#if !defined(_WIN32)
#define TEXT FOREIGN
#define ERROR FOREIGN
#define IN FOREIGN
#define OUT FOREIGN
#define NEAR FOREIGN
#define FAR FOREIGN
#define small FOREIGN
#define interface FOREIGN
#define near FOREIGN
#define far FOREIGN
#define SendMessage FOREIGN
#define GetMessage FOREIGN
#define CreateMutex FOREIGN
#define CreateEvent FOREIGN
#define DELETE FOREIGN
#define NO_ERROR FOREIGN
#endif
#undef min
#undef max
#define min(a, b) FOREIGN
#define max(a, b) FOREIGN

#include <shared_channel/inspect.hpp>
#include <shared_channel/raw.hpp>

#include "round_trip.hpp"

bool foreign_macros() { return round_trip("foreign-macros"); }
