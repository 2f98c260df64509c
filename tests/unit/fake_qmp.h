/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qmp.h's functions without a socket: a program that links this file gets them
 * instead of the library's.
 */
#ifndef XLM_TESTS_FAKE_QMP_H
#define XLM_TESTS_FAKE_QMP_H

#include "toolstack/qmp.h"

/* What qemu says: 0, with *want filled in if it is not NULL, or an error that
 * is recorded. */
typedef int fake_qmp_fn(struct xlm__errslot *err, const char *socket_path,
                        const char *command, const struct xlm__qmp_text *want);

/* Set by the test. */
extern fake_qmp_fn *fake_qmp;

#endif /* XLM_TESTS_FAKE_QMP_H */
