/* The page's markup, style and script, as the build makes them into bytes from lib/capture/page (page/embed.cmake). Static; any thread may read them. */
#ifndef QL_CAPTURE_PAGE_PARTS_H
#define QL_CAPTURE_PAGE_PARTS_H

#include <qloader/base.h>

extern const ql_str ql__page_markup, ql__page_style, ql__page_script;

#endif
