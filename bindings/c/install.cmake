# The component `c`: header, library, CMake package and pkg-config file. `cmake --install BUILD --component c` installs
# it alone.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/shared_channel_c)
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(TARGETS shared_channel_c EXPORT shared_channel_c-targets
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT c
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT c
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT c
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES include/shared_channel.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT c)
install(EXPORT shared_channel_c-targets NAMESPACE shared_channel:: DESTINATION ${package_dir} COMPONENT c)

write_basic_package_version_file(shared_channel_c-config-version.cmake COMPATIBILITY SameMinorVersion)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/shared_channel_c-config.cmake
  "include(\${CMAKE_CURRENT_LIST_DIR}/shared_channel_c-targets.cmake)\n")
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/shared_channel_c-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/shared_channel_c-config-version.cmake
  DESTINATION ${package_dir} COMPONENT c)

# Paths relative to the file itself, unless the installation's directories are absolute.
if(IS_ABSOLUTE ${pkgconfig_dir})
  set(pkgconfig_prefix ${CMAKE_INSTALL_PREFIX})
else()
  file(RELATIVE_PATH pkgconfig_prefix /${pkgconfig_dir} /)
  string(REGEX REPLACE "/$" "" pkgconfig_prefix "\${pcfiledir}/${pkgconfig_prefix}")
endif()
foreach(directory INCLUDEDIR LIBDIR)
  string(TOLOWER ${directory} variable)
  set(pkgconfig_${variable} "\${prefix}/${CMAKE_INSTALL_${directory}}")
  if(IS_ABSOLUTE ${pkgconfig_dir} OR IS_ABSOLUTE ${CMAKE_INSTALL_${directory}})
    set(pkgconfig_${variable} ${CMAKE_INSTALL_FULL_${directory}})
  endif()
endforeach()
configure_file(shared_channel_c.pc.in shared_channel_c.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/shared_channel_c.pc DESTINATION ${pkgconfig_dir} COMPONENT c)
