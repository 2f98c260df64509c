/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of things in the public header: version, error texts, state names. */
#ifndef XLM_BASE_VERSION_H
#define XLM_BASE_VERSION_H

#include "libxlm.h"

/* "0.1.0" */
const char *xlm__version_text(void);

/* "INVAL" for XLM_ERR_INVAL; "UNKNOWN" for a number that is no code. */
const char *xlm__error_name(int code);

#endif /* XLM_BASE_VERSION_H */
