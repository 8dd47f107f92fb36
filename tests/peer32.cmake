# A 32-bit peer beside the 64-bit tests, where the compiler can make one and the kernel run it, which some virtual
# machines forbid; without it SHARED_CHANNEL_TEST_SPEC leaves out the tests tagged [peer32].
include(CheckCXXSourceRuns)

if(UNIX AND CMAKE_SIZEOF_VOID_P EQUAL 8 AND NOT CMAKE_CROSSCOMPILING AND NOT SHARED_CHANNEL_SANITIZE)
  set(CMAKE_REQUIRED_FLAGS -m32)
  check_cxx_source_runs("#include <string>\nint main() { return sizeof(void*) == 4 ? 0 : 1; }"
    SHARED_CHANNEL_M32_RUNS)
  unset(CMAKE_REQUIRED_FLAGS)
endif()

if(SHARED_CHANNEL_M32_RUNS)
  set(SHARED_CHANNEL_TEST_SPEC "")
  add_executable(shared_channel_peer32 ${peer_sources} support/process_linux.cpp support/resources.cpp)
  compile_together(shared_channel_peer32)
  set_source_files_properties(support/process_linux.cpp support/resources.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  target_include_directories(shared_channel_peer32 PRIVATE .)
  target_compile_options(shared_channel_peer32 PRIVATE -m32)
  target_link_options(shared_channel_peer32 PRIVATE -m32)
  target_link_libraries(shared_channel_peer32 PRIVATE shared_channel::shared_channel shared_channel_development)
  add_dependencies(shared_channel_tests shared_channel_peer32)
endif()
