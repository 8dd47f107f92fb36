# shared_channel_development: what the project's own programs are compiled with, and users' are not.
set(SHARED_CHANNEL_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize takes them")

set(CMAKE_CXX_EXTENSIONS OFF)

add_library(shared_channel_development INTERFACE)
if(MSVC)
  target_compile_options(shared_channel_development INTERFACE /W4 /permissive- /WX /utf-8 /Zc:__cplusplus)
  target_compile_definitions(shared_channel_development INTERFACE _CRT_SECURE_NO_WARNINGS)  # getenv
else()
  target_compile_options(shared_channel_development INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
endif()

if(SHARED_CHANNEL_SANITIZE)
  # GCC sees ghosts in instrumented standard headers, and warns of every fence: ThreadSanitizer does not model them.
  # The library's fences order atomic words only, which need no such model.
  target_compile_options(shared_channel_development INTERFACE
    -fsanitize=${SHARED_CHANNEL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-tsan>)
  target_link_options(shared_channel_development INTERFACE -fsanitize=${SHARED_CHANNEL_SANITIZE})
endif()
