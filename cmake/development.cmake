# shared_channel_development: what the project's own programs are compiled with, and users' are not.
set(SHARED_CHANNEL_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize takes them")
# On in the legs of tests/run, whose compilers are known. Another one may warn of more, which is no reason not to build.
option(SHARED_CHANNEL_WARNINGS_AS_ERRORS "A warning of the compiler fails the build" OFF)

set(CMAKE_CXX_EXTENSIONS OFF)

# ccache, where it is installed. It takes precompiled headers only when told that they may be trusted, and from
# compilers that do not write the time into them.
find_program(SHARED_CHANNEL_CCACHE ccache)
if(SHARED_CHANNEL_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER AND NOT MSVC)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${SHARED_CHANNEL_CCACHE})
endif()
if(CMAKE_CXX_COMPILER_LAUNCHER MATCHES ccache AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  add_compile_options(-fpch-preprocess)
elseif(CMAKE_CXX_COMPILER_LAUNCHER MATCHES ccache AND CMAKE_CXX_COMPILER_ID STREQUAL Clang)
  add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
endif()

add_library(shared_channel_development INTERFACE)
if(MSVC)
  target_compile_options(shared_channel_development INTERFACE /W4 /permissive- /utf-8 /bigobj /Zc:__cplusplus)
  target_compile_definitions(shared_channel_development INTERFACE _CRT_SECURE_NO_WARNINGS)  # getenv
else()
  target_compile_options(shared_channel_development INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
endif()
if(SHARED_CHANNEL_WARNINGS_AS_ERRORS AND MSVC)
  target_compile_options(shared_channel_development INTERFACE /WX)
elseif(SHARED_CHANNEL_WARNINGS_AS_ERRORS)
  target_compile_options(shared_channel_development INTERFACE -Werror)
endif()

if(SHARED_CHANNEL_SANITIZE)
  # GCC sees ghosts in instrumented standard headers, and warns of every fence: ThreadSanitizer does not model them.
  # The library's fences order atomic words only, which need no such model.
  target_compile_options(shared_channel_development INTERFACE
    -fsanitize=${SHARED_CHANNEL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread
    -Wno-tsan>)
  target_link_options(shared_channel_development INTERFACE -fsanitize=${SHARED_CHANNEL_SANITIZE})
endif()

# Most of the build time of a test or a command of the tool is its copy of the same templates: their files are compiled
# a few at a time.
option(SHARED_CHANNEL_UNITY_BUILD "Compile the files of tests and tools a few at a time" ON)
function(compile_together)
  set_target_properties(${ARGN} PROPERTIES UNITY_BUILD ${SHARED_CHANNEL_UNITY_BUILD} UNITY_BUILD_BATCH_SIZE 16)
endfunction()
