/* One message that a process answers on the socket of its live view: any bytes. */
#ifndef QL_LIVE_ANSWER_H
#define QL_LIVE_ANSWER_H

#include <qloader/base.h>

/* QL_DONE: that was the end. QL_OK: data is what it brings, within the message, maybe nothing. A failure that it tells comes back as such; QL_E_FORMAT: none of these. */
ql_status ql__live_answer_read(ql_str message, ql_str *data, ql_error *err);

#endif
