/* The functions of panel.h said plainly. */
#ifndef QL_PANEL_REFERENCE_H
#define QL_PANEL_REFERENCE_H

#include "embed/panel.h"

extern const ql__panels ql__panels_float32_reference, ql__panels_bfloat16_reference;
extern const ql__panels ql__panels_bytes_float32_reference, ql__panels_bytes_bfloat16_reference; /* with these between the products */

#endif
