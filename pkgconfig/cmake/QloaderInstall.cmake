# Install rules: library, headers, CMake package, pkg-config file, licence. The modules' rule is in QloaderThirdParty.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/qloader)

install(TARGETS qloader EXPORT qloader-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(QLOADER_STATIC)
  install(TARGETS qloader_static EXPORT qloader-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
install(FILES include/qloader.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/qloader ${PROJECT_BINARY_DIR}/include/qloader DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT qloader-targets NAMESPACE qloader:: DESTINATION ${package_dir})
configure_package_config_file(pkgconfig/qloader-config.cmake.in ${PROJECT_BINARY_DIR}/qloader-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/qloader-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/qloader-config.cmake ${PROJECT_BINARY_DIR}/qloader-config-version.cmake DESTINATION ${package_dir})

# The .pc file finds its prefix from its own place, so an installed tree can be moved.
file(RELATIVE_PATH QLOADER_PC_RELATIVE "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" QLOADER_PC_RELATIVE "${QLOADER_PC_RELATIVE}")
configure_file(pkgconfig/qloader.pc.in ${PROJECT_BINARY_DIR}/qloader.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/qloader.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
# All pages, with what they link to.
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md" PATTERN "*.json" PATTERN "*.yml" PATTERN "*.c" PATTERN "*.cpp" PATTERN "quickstart.sh")
