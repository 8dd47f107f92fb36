# An overlay port that takes the sources from the tree around it:
#   vcpkg install shared-channel --overlay-ports=SHARED_CHANNEL/packaging/vcpkg
set(VCPKG_BUILD_TYPE release)  # header-only
get_filename_component(SOURCE_PATH ${CMAKE_CURRENT_LIST_DIR}/../../.. ABSOLUTE)

vcpkg_cmake_configure(SOURCE_PATH ${SOURCE_PATH}
  OPTIONS -DSHARED_CHANNEL_BUILD_TESTS=OFF -DSHARED_CHANNEL_BUILD_EXAMPLES=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(PACKAGE_NAME shared_channel CONFIG_PATH share/cmake/shared_channel)
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE ${CURRENT_PACKAGES_DIR}/share/doc)
file(INSTALL ${CMAKE_CURRENT_LIST_DIR}/usage DESTINATION ${CURRENT_PACKAGES_DIR}/share/${PORT})
vcpkg_install_copyright(FILE_LIST ${SOURCE_PATH}/LICENSE)
