# An interface target that every target of ours links: language level, warnings, hidden symbols.
add_library(qloader_flags INTERFACE)
target_compile_features(qloader_flags INTERFACE c_std_11)
target_compile_definitions(qloader_flags INTERFACE _POSIX_C_SOURCE=200809L _GNU_SOURCE QLOADER_SHARED_BUILD)
if(CMAKE_INTERPROCEDURAL_OPTIMIZATION AND QLOADER_STATIC AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(qloader_flags INTERFACE -ffat-lto-objects) # a static library for linkers that do no such optimisation
endif()
include(CheckCCompilerFlag)
check_c_compiler_flag(-mno-omit-leaf-frame-pointer QLOADER_HAS_LEAF_FRAMES)
set(qloader_leaf_frames $<$<BOOL:${QLOADER_HAS_LEAF_FRAMES}>:-mno-omit-leaf-frame-pointer>)
target_compile_options(qloader_flags INTERFACE
  -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/= # sites of spans name their file: from the top of the tree
  -std=gnu11 -fvisibility=hidden -fno-omit-frame-pointer ${qloader_leaf_frames} -fno-math-errno -ffp-contract=off
  -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef
  $<$<BOOL:${QLOADER_WERROR}>:-Werror>)
