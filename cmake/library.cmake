include(CheckCXXSymbolExists)
find_package(Threads REQUIRED)

add_library(shared_channel INTERFACE)
add_library(shared_channel::shared_channel ALIAS shared_channel)

file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/shared_channel/*.hpp)
target_sources(shared_channel INTERFACE
  FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${headers})
target_compile_features(shared_channel INTERFACE cxx_std_20)
target_link_libraries(shared_channel INTERFACE Threads::Threads)

if(WIN32)
  target_link_libraries(shared_channel INTERFACE advapi32)
else()
  # Before glibc 2.34 shm_open lives in librt.
  check_cxx_symbol_exists(shm_open sys/mman.h SHARED_CHANNEL_SHM_OPEN_IN_LIBC)
  if(NOT SHARED_CHANNEL_SHM_OPEN_IN_LIBC)
    target_link_libraries(shared_channel INTERFACE rt)
  endif()
endif()
