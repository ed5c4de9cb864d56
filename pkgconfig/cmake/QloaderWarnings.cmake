# An interface target that every target of ours links: language level, warnings, hidden symbols.
add_library(qloader_flags INTERFACE)
target_compile_features(qloader_flags INTERFACE c_std_11)
target_compile_definitions(qloader_flags INTERFACE _POSIX_C_SOURCE=200809L _GNU_SOURCE QLOADER_SHARED_BUILD)
if(CMAKE_INTERPROCEDURAL_OPTIMIZATION AND QLOADER_STATIC AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(qloader_flags INTERFACE -ffat-lto-objects) # a static library for linkers that do no such optimisation
endif()
target_compile_options(qloader_flags INTERFACE
  -std=gnu11 -fvisibility=hidden -fno-omit-frame-pointer -fno-math-errno -ffp-contract=off
  -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef
  $<$<BOOL:${QLOADER_WERROR}>:-Werror>)
