/* The built-in converters in the order they are asked. Threads: constant tables. */
#include "convert/convert.h"

typedef const ql_converter_ops *(*converter_fn)(void);

const ql_converter_ops *const *ql__convert_builtin(size_t *count)
{
    /* Filled with the same values by whichever thread comes first, so that a plain array of functions stays the only list. */
    static const ql_converter_ops *converters[8];
    static const converter_fn functions[] = {
        ql__convert_markdown,
        ql__convert_json,
        ql__convert_html,
        ql__convert_code,
        ql__convert_text, /* takes anything: last */
    };
    *count = sizeof functions / sizeof functions[0];
    for (size_t i = 0; i < *count; i++) {
        if (!__atomic_load_n(&converters[i], __ATOMIC_RELAXED)) __atomic_store_n(&converters[i], functions[i](), __ATOMIC_RELAXED);
    }
    return converters;
}
