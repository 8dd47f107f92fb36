find_package(Threads REQUIRED)

add_library(shared_channel INTERFACE)
add_library(shared_channel::shared_channel ALIAS shared_channel)

target_include_directories(shared_channel INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
target_compile_features(shared_channel INTERFACE cxx_std_20)
if(SHARED_CHANNEL_USDT)
  target_compile_definitions(shared_channel INTERFACE $<$<PLATFORM_ID:Linux>:SHARED_CHANNEL_USDT>)
endif()
# Before glibc 2.34 shm_open lives in librt; after it, librt is empty.
target_link_libraries(shared_channel INTERFACE
  Threads::Threads $<$<PLATFORM_ID:Linux>:rt> $<$<PLATFORM_ID:Windows>:advapi32>)
